"""Decides which checkpoints stay, and why: the best k, the last k, one each n steps, the pinned, and those needed.

Pure: the caller passes which checkpoints are pinned and needed. Trainer and tracker call the same function.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol

from keepbest.contract.base import CheckpointKind
from keepbest.contract.policies import RetentionSpec
from keepbest.selection.candidates import Candidate
from keepbest.selection.selectors import Selector

Mode = Literal["min", "max"]


class Kept(Protocol):
    """The fields that retention reads; the store's manifests and the tracker's checkpoints have them."""

    @property
    def id(self) -> str: ...
    @property
    def step(self) -> int: ...
    @property
    def value(self) -> float | None: ...
    @property
    def n(self) -> int | None: ...
    @property
    def kind(self) -> CheckpointKind: ...
    @property
    def at(self) -> datetime: ...


@dataclass(frozen=True)
class RetentionReason:
    """The reasons why a checkpoint stays; it goes if there are none."""

    id: str
    reasons: tuple[str, ...]

    @property
    def stays(self) -> bool:
        return bool(self.reasons)


def decide(
    checkpoints: Iterable[Kept],
    spec: RetentionSpec,
    *,
    mode: Mode | None,
    pinned: Collection[str] = (),
    needed: Mapping[str, str] | None = None,
) -> list[RetentionReason]:
    """Judge the checkpoints of one run, oldest first. `needed` maps further checkpoints that must stay to the reason.

    Of equal values the earlier step is better, and of one step the newer checkpoint. A value that is not finite is
    never among the best. A manual checkpoint stays, because somebody asked for it. If nothing else stays, the newest
    checkpoint does: a run never loses all of them. Averages that a selector made count as neither best, last nor
    spaced; the newest average stays.
    """
    known = sorted(checkpoints, key=lambda checkpoint: (checkpoint.at, checkpoint.id))
    ordered = [checkpoint for checkpoint in known if checkpoint.kind != "selected"]
    groups = {
        "best": _best(ordered, spec.best, mode),
        "last": [checkpoint.id for checkpoint in ordered[len(ordered) - min(spec.last, len(ordered)) :]],
        f"each {spec.every_steps} steps": _spaced(ordered, spec.every_steps),
        "asked for": [checkpoint.id for checkpoint in ordered if checkpoint.kind == "manual"],
        "pinned": pinned,
        "selected": [checkpoint.id for checkpoint in known if checkpoint.kind == "selected"][-1:],
    }
    verdicts = []
    for id in (checkpoint.id for checkpoint in known):
        reasons = [reason for reason, ids in groups.items() if id in ids]
        verdicts.append(RetentionReason(id, (*reasons, *([needed[id]] if needed and id in needed else []))))
    if verdicts and not any(verdict.stays for verdict in verdicts):
        verdicts[-1] = RetentionReason(verdicts[-1].id, ("nothing else is left",))
    return verdicts


def find_eligible(checkpoints: Iterable[Kept], selector: Selector, mode: Mode | None) -> dict[str, str]:
    """Return the ids of the checkpoints that the run's selector may yet choose, each with this reason."""
    if mode is None or selector.is_usual:
        return {}
    candidates = selector.find_eligible(find_candidates(checkpoints), mode)
    return dict.fromkeys((candidate.id for candidate in candidates), f"{selector.name} may select it")


def find_candidates(checkpoints: Iterable[Kept]) -> list[Candidate]:
    """Return the checkpoints of validations, oldest first; those between two validations have no value."""
    ordered = sorted(checkpoints, key=lambda checkpoint: (checkpoint.at, checkpoint.id))
    return [
        Candidate(checkpoint.id, checkpoint.step, checkpoint.value, checkpoint.n)
        for checkpoint in ordered
        if checkpoint.kind != "selected" and checkpoint.value is not None
    ]


def _best(ordered: Sequence[Kept], count: int, mode: Mode | None) -> list[str]:
    """Return the best checkpoints. Sorting keeps the order of equal values, so the earlier one wins.

    A run may train a step twice if a process was killed before it reported: one checkpoint of the step is enough.
    """
    if mode is None:
        return []
    sign = 1.0 if mode == "min" else -1.0
    finite = [
        (sign * checkpoint.value, checkpoint)
        for checkpoint in ordered
        if checkpoint.value is not None and math.isfinite(checkpoint.value)
    ]
    newest = {(value, checkpoint.step): checkpoint.id for value, checkpoint in finite}
    return [newest[key] for key in sorted(newest, key=lambda key: key[0])[:count]]


def _spaced(ordered: Sequence[Kept], every_steps: int | None) -> set[str]:
    """Return the first checkpoint at or after each multiple of `every_steps`; of one step, the newest."""
    if every_steps is None:
        return set()
    first: dict[int, Kept] = {}
    for checkpoint in ordered:
        held = first.get(checkpoint.step // every_steps)
        if checkpoint.step >= every_steps and (held is None or checkpoint.step <= held.step):
            first[checkpoint.step // every_steps] = checkpoint
    return {checkpoint.id for checkpoint in first.values()}
