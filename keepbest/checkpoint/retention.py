"""Which checkpoints stay, and why: the union of the best k, the last k, one each n steps, the pinned, the needed.

Pure: what is pinned, and what a living run needs, is told by whoever asks. Trainer and tracker ask the same function.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol

from keepbest.contract.policies import RetentionSpec

Mode = Literal["min", "max"]


class Kept(Protocol):
    """What is asked of a checkpoint; the store's manifests and the tracker's checkpoints have it."""

    @property
    def id(self) -> str: ...
    @property
    def step(self) -> int: ...
    @property
    def value(self) -> float | None: ...
    @property
    def kind(self) -> Literal["best", "last", "manual"]: ...
    @property
    def at(self) -> datetime: ...


@dataclass(frozen=True)
class Verdict:
    """Why a checkpoint stays; without a reason it goes."""

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
) -> list[Verdict]:
    """Judge the checkpoints of one run, oldest first. `needed` says what must stay besides, and why.

    Of equal values the earlier step is the better one, of one step the newest; a value that is not finite is never
    among the best. Somebody asked for a manual checkpoint, so it stays. Where nothing would stay the newest does: a
    run never loses all it has.
    """
    ordered = sorted(checkpoints, key=lambda one: (one.at, one.id))
    groups = {
        "best": _best(ordered, spec.best, mode),
        "last": [one.id for one in ordered[len(ordered) - min(spec.last, len(ordered)) :]],
        f"each {spec.every_steps} steps": _spaced(ordered, spec.every_steps),
        "asked for": [one.id for one in ordered if one.kind == "manual"],
        "pinned": pinned,
    }
    verdicts = [Verdict(one.id, _reasons(one.id, groups, needed or {})) for one in ordered]
    if verdicts and not any(verdict.stays for verdict in verdicts):
        verdicts[-1] = Verdict(verdicts[-1].id, ("nothing else is left",))
    return verdicts


def _reasons(id: str, groups: Mapping[str, Collection[str]], needed: Mapping[str, str]) -> tuple[str, ...]:
    found = [reason for reason, ids in groups.items() if id in ids]
    return (*found, needed[id]) if id in needed else tuple(found)


def _best(ordered: Sequence[Kept], count: int, mode: Mode | None) -> list[str]:
    """Return the best; sorting keeps the order of equals, so that the earlier one wins.

    A process that is killed before it says what it wrote has its step trained again: one checkpoint of it is enough.
    """
    if mode is None:
        return []
    sign = 1.0 if mode == "min" else -1.0
    finite = [(sign * one.value, one) for one in ordered if one.value is not None and math.isfinite(one.value)]
    newest = {(value, one.step): one.id for value, one in finite}
    return [newest[key] for key in sorted(newest, key=lambda key: key[0])[:count]]


def _spaced(ordered: Sequence[Kept], every_steps: int | None) -> set[str]:
    """Return the first checkpoint at or after each multiple of `every_steps`; of one step, the newest."""
    if every_steps is None:
        return set()
    first: dict[int, Kept] = {}
    for one in ordered:
        held = first.get(one.step // every_steps)
        if one.step >= every_steps and (held is None or one.step <= held.step):
            first[one.step // every_steps] = one
    return {one.id for one in first.values()}
