"""A selector's input and output: validations whose state is on disk, and the outcome of the choice."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from keepbest.stopping.validation import Mode


@dataclass(frozen=True, slots=True)
class Candidate:
    """A validation with its checkpoint; its value was measured on `n` examples (None: not known)."""

    id: str
    step: int
    value: float
    n: int | None = None


@dataclass(frozen=True, slots=True)
class MeasuredAverage:
    """An average of candidates, measured on the same examples as every validation.

    `value` is None if the metric was not measured, or if the average breaks a bound of the stopper.
    """

    made_of: tuple[Candidate, ...]
    value: float | None
    is_kept: bool


@dataclass(frozen=True, slots=True)
class SelectorOutcome:
    """The selected model: an existing checkpoint (one candidate in `made_of`), or an average of several."""

    made_of: tuple[Candidate, ...]
    value: float
    message: str
    trials: tuple[MeasuredAverage, ...] = ()

    @property
    def is_average(self) -> bool:
        return len(self.made_of) > 1


#: A function that averages the candidates and measures the average.
Measure = Callable[[Sequence[Candidate]], float | None]


def rank(candidates: Iterable[Candidate], mode: Mode) -> list[Candidate]:
    """Return the candidates with a finite value, the best first, then the earlier step; of one step only the last."""
    sign = -1.0 if mode == "max" else 1.0
    newest = {
        (sign * candidate.value, candidate.step): candidate
        for candidate in candidates
        if math.isfinite(candidate.value)
    }
    return [newest[key] for key in sorted(newest)]


def is_as_good(value: float | None, than: float, mode: Mode) -> bool:
    """Whether `value` is finite and not worse than `than`."""
    if value is None or not math.isfinite(value):
        return False
    return value >= than if mode == "max" else value <= than
