"""ASHA's rule across the runs of a sweep: which of the runs that pause at a rung go on. Pure numbers.

Li et al., *A System for Massively Parallel Hyperparameter Tuning*, MLSys 2020, algorithm 2, `get_job`: at each rung,
from the top down, the best floor(n / factor) of the n runs that have reached the rung may go on, as soon as a place is
free. No run waits for a rung to be full. So later runs may overtake a run that was promoted early, and go on too.

This module has all runs of the sweep in memory. `tracker.store.sweeps.promotions` asks the tables the same question,
and its tests compare the two. Values are raw: at a rung nothing is selected yet.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from keepbest.stopping.validation import Mode


@dataclass(frozen=True, slots=True, kw_only=True)
class Contender:
    """One run of a sweep.

    `values` are by rung the run's best values when it paused there; `best` is its best value so far. `waits`: the run
    pauses at the highest of these rungs. `has_ended`: the run ended by itself, and so takes a place at every rung.
    """

    number: int
    values: Mapping[int, float | None] = field(default_factory=dict)
    best: float | None = None
    waits: bool = False
    has_ended: bool = False

    @property
    def top(self) -> int:
        """The highest rung at which the run paused; 0 before the first."""
        return max(self.values, default=0)

    def value_at(self, rung: int) -> float | None:
        """Return the run's best value when it reached a rung."""
        later = min((number for number in self.values if number >= rung), default=None)
        return self.best if later is None else self.values[later]


def rank(contenders: Sequence[Contender], rung: int, mode: Mode) -> list[Contender]:
    """Return the runs that have reached a rung: the best first, of equals the lower number, without a value last.

    A run that passed several rungs at one validation has reached each of them.
    """
    there = [contender for contender in contenders if contender.has_ended or rung <= contender.top]
    return sorted(there, key=lambda contender: (_order(contender.value_at(rung), mode), contender.number))


def find_promotable(contenders: Sequence[Contender], factor: int, mode: Mode) -> list[Contender]:
    """Return the runs that go on, in the order in which they get free places: higher rungs first, then better runs."""
    result = []
    for rung in range(max((contender.top for contender in contenders), default=0), 0, -1):
        ranked = rank(contenders, rung, mode)
        best = ranked[: len(ranked) // factor]
        result += [contender for contender in best if contender.waits and contender.top == rung]
    return result


def find_leader(contenders: Sequence[Contender], mode: Mode) -> Contender | None:
    """Return the run that goes on when no other can: the best of all, if it still waits.

    So the best of a sweep is always a run that was trained to its end. None if the best has ended or has no value.
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
    """Return a number to sort by: better values come first."""
    if value is None or math.isnan(value):
        return math.inf
    return -value if mode == "max" else value
