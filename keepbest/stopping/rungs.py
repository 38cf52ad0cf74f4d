"""ASHA's rule across the runs of a sweep: which of those that pause at a rung go on. Pure numbers.

Li et al., *A System for Massively Parallel Hyperparameter Tuning*, MLSys 2020, algorithm 2, `get_job`: at each rung,
from the top down, the best floor(n / factor) of the n runs that have come there may go on, whenever a place is free.
Nobody waits for a rung to be full; so one that was promoted early may be overtaken by later ones, which go on too.

Here the rule is applied to runs that are all at hand. `tracker.store.sweeps.promotions` asks the tables the same, and
its tests hold one against the other. Values are raw: at a rung nothing is selected yet.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from keepbest.stopping.validation import Mode


@dataclass(frozen=True, slots=True, kw_only=True)
class Contender:
    """One run of a sweep.

    `values` are its best values when it paused, by rung; `best` is its best so far. `waits`: it pauses at the highest
    of these rungs. `has_ended`: it was trained to an end of its own, and so takes a place at every rung.
    """

    number: int
    values: Mapping[int, float | None] = field(default_factory=dict)
    best: float | None = None
    waits: bool = False
    has_ended: bool = False

    @property
    def top(self) -> int:
        """The highest rung at which it paused; 0 before the first."""
        return max(self.values, default=0)

    def stands_at(self, rung: int) -> bool:
        """Whether it has come to this rung; one that passed several at one validation came to each."""
        return self.has_ended or rung <= self.top

    def value_at(self, rung: int) -> float | None:
        """Return its best value when it came to a rung."""
        later = min((number for number in self.values if number >= rung), default=None)
        return self.best if later is None else self.values[later]


def rank(contenders: Sequence[Contender], rung: int, mode: Mode) -> list[Contender]:
    """Return those that have come to a rung, the best first; of equals the lower number, without a number last."""
    there = [contender for contender in contenders if contender.stands_at(rung)]
    return sorted(there, key=lambda contender: (_order(contender.value_at(rung), mode), contender.number))


def find_promotable(contenders: Sequence[Contender], factor: int, mode: Mode) -> list[Contender]:
    """Return those that go on, in the order in which free places are given: higher rungs first, then the best."""
    result = []
    for rung in range(max((contender.top for contender in contenders), default=0), 0, -1):
        ranked = rank(contenders, rung, mode)
        best = ranked[: len(ranked) // factor]
        result += [contender for contender in best if contender.waits and contender.top == rung]
    return result


def find_leader(contenders: Sequence[Contender], mode: Mode) -> Contender | None:
    """Return the run that goes on where otherwise all would be over: the best of all, where it still waits.

    So the best of a sweep is always a run that was trained to its end. None where it was, or nothing was measured.
    """
    known = [
        contender
        for contender in contenders
        if (contender.waits or contender.has_ended) and _order(contender.best, mode) < math.inf
    ]
    first = min(
        known, key=lambda contender: (_order(contender.best, mode), contender.waits, contender.number), default=None
    )
    return first if first is not None and first.waits else None


def _order(value: float | None, mode: Mode) -> float:
    """Return a number that is the lower the better the value is."""
    if value is None or math.isnan(value):
        return math.inf
    return -value if mode == "max" else value
