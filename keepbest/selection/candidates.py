"""What a selector chooses from: validations of a run whose state is on disk, and what came of choosing."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from keepbest.stopping.validation import Mode


@dataclass(frozen=True, slots=True)
class Candidate:
    """A validation with its checkpoint; `n` examples its value was measured on, None where that is not known."""

    id: str
    step: int
    value: float
    n: int | None = None


@dataclass(frozen=True, slots=True)
class MeasuredAverage:
    """An average that was made and measured: one more validation at the same examples.

    `value` is None where the metric was not measured, or a bound of the stopper was broken.
    """

    made_of: tuple[Candidate, ...]
    value: float | None
    is_kept: bool


@dataclass(frozen=True, slots=True)
class SelectorOutcome:
    """What was selected: a checkpoint that is there (one in `made_of`), or an average of several."""

    made_of: tuple[Candidate, ...]
    value: float
    message: str
    trials: tuple[MeasuredAverage, ...] = ()

    @property
    def is_average(self) -> bool:
        return len(self.made_of) > 1


#: Make the average of these, and measure it.
Measure = Callable[[Sequence[Candidate]], float | None]


def rank(candidates: Iterable[Candidate], mode: Mode) -> list[Candidate]:
    """Return the candidates with a finite value, the best first; of equal ones the earlier, of one step the last."""
    sign = -1.0 if mode == "max" else 1.0
    newest = {
        (sign * candidate.value, candidate.step): candidate
        for candidate in candidates
        if math.isfinite(candidate.value)
    }
    return [newest[key] for key in sorted(newest)]


def is_as_good(value: float | None, than: float, mode: Mode) -> bool:
    """Whether `value` is finite and not worse."""
    if value is None or not math.isfinite(value):
        return False
    return value >= than if mode == "max" else value <= than
