"""What a run left behind, in a form in which two runs of the same spec must be equal to the last bit."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from keepbest.checkpoint import Store
from keepbest.client.client import Client
from keepbest.contract.validations import RecordedValidation

MANY = 5000


@dataclass(frozen=True)
class Record:
    """The end, every validation and every point of the living path, the best state and the last, and the abandoned
    tails.

    `ghosts` are validations and points that were trained again: the same numbers came out, so they too must be as
    expected.
    """

    end: tuple[Any, ...]
    validations: list[dict[str, Any]]
    points: dict[str, list[tuple[int, float]]]
    best: dict[str, Any]
    last: dict[str, Any]
    ghosts: list[tuple[str, int, float | None]]


def read_record(client: Client, store: Path, run: str) -> Record:
    """Read a run that has ended."""
    found = client.run(run)
    validations = client.validations(run, limit=MANY).validations
    curves = {
        metric.key: client.curve(run, metric.key, max_points=MANY).pieces for metric in client.metrics(run).metrics
    }
    points = {
        (key, ghost): [
            point for piece in pieces if piece.ghost is ghost for point in zip(piece.steps, piece.values, strict=True)
        ]
        for key, pieces in curves.items()
        for ghost in (False, True)
    }
    test = found.test.values if found.test is not None else None
    return Record(
        end=(found.state.value, found.stop_reason, found.step, found.best_step, found.best_value, test),
        validations=[_shown(validation) for validation in validations if not validation.ghost],
        points={key: found for (key, ghost), found in points.items() if not ghost},
        best=_state(store, run, found.best_step),
        last=_state(store, run, found.step),
        ghosts=[("validation", validation.step, validation.value) for validation in validations if validation.ghost]
        + [(key, step, value) for (key, ghost), pairs in points.items() if ghost for step, value in pairs],
    )


def differences(found: Record, expected: Record) -> Iterator[str]:
    """Name what is not as in the run that nobody disturbed."""
    for field in fields(Record):
        mine, theirs = getattr(found, field.name), getattr(expected, field.name)
        if field.name != "ghosts" and mine != theirs:
            yield f"{field.name}: {_short(mine, theirs)} instead of {_short(theirs, mine)}"
    known = {(key, step, value) for key, pairs in expected.points.items() for step, value in pairs}
    known |= {("validation", validation["step"], validation["value"]) for validation in expected.validations}
    yield from (f"on an abandoned tail: {ghost}" for ghost in found.ghosts if ghost not in known)


def _shown(validation: RecordedValidation) -> dict[str, Any]:
    """Return what of a validation is the same in every training of the same."""
    return validation.model_dump(include={"step", "value", "n", "epoch", "metrics", "decision"})


def _state(root: Path, run: str, step: int | None) -> dict[str, Any]:
    """Return what is kept of a step, every variable by its digest; the files are checked on the way."""
    store = Store(root)
    found = [manifest for manifest in store.manifests(run) if manifest.step == step]
    if not found:
        return {"missing": step}
    manifest = store.load(run, found[-1].id).manifest
    return {
        "variables": [(one.path, one.digest) for one in manifest.variables],
        "random": manifest.random,
        "position": (manifest.step, manifest.epoch, manifest.batch),
        "stopper": manifest.stopper.get("policy"),
    }


def _short(value: Any, other: Any) -> str:
    """Show of two lists or dicts only what differs."""
    if isinstance(value, list) and isinstance(other, list):
        value = [one for one in value if one not in other] or f"{len(value)} entries"
    if isinstance(value, dict) and isinstance(other, dict):
        value = {key: _short(one, other.get(key)) for key, one in value.items() if one != other.get(key)}
    text = repr(value)
    return text if len(text) < 400 else f"{text[:400]}…"
