"""Rules across runs: whether a run is worse than the median of others. Pure numbers, for one run at a time.

Two forms of the median rule compare a run's best value up to its newest step s, strictly, with a median over others:
`vizier` (Golovin et al., *Google Vizier*, 2017) takes each other's running average of the values up to s; `optuna`
(its MedianPruner) each other's value at exactly s, so that runs that validation at other steps are never compared.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean, median
from typing import Literal

from keepbest.stopping.validation import Mode

Form = Literal["vizier", "optuna"]
#: A step and the value measured there.
Point = tuple[int, float]


@dataclass(frozen=True, slots=True)
class MedianComparison:
    """The run's best value up to `step`, and the median over `runs` others; None where nothing was compared."""

    stop: bool
    step: int
    best: float | None = None
    median: float | None = None
    runs: int = 0


def judge_by_median(
    own: Sequence[Point],
    others: Sequence[Sequence[Point]],
    mode: Mode,
    *,
    form: Form = "vizier",
    startup_runs: int = 5,
    start_from: int = 0,
) -> MedianComparison:
    """Judge a run at its newest validation; `others` are the validations of runs that have finished.

    Nothing is judged before step `start_from`, or while fewer than `startup_runs` others have finished. NaN counts
    nowhere; a run that measured nothing but NaN is stopped in Optuna's form, and left alone in Vizier's.
    """
    step = max((at for at, _ in own), default=0)
    if not own or step < start_from or len(others) < max(startup_runs, 1):
        return MedianComparison(False, step)
    known = _numbers(value for _, value in own)
    if not known:
        return MedianComparison(form == "optuna", step)
    best = max(known) if mode == "max" else min(known)
    compared = _averages(others, step) if form == "vizier" else _values_at(others, step)
    if not compared:
        return MedianComparison(False, step, best)
    middle = median(compared)
    is_worse = best < middle if mode == "max" else best > middle
    return MedianComparison(is_worse, step, best, middle, len(compared))


def _averages(others: Iterable[Sequence[Point]], step: int) -> list[float]:
    """Return each run's mean of its finite values up to `step`; one that has none is left out."""
    upto = ([value for at, value in validations if at <= step and math.isfinite(value)] for validations in others)
    return [fmean(values) for values in upto if values]


def _values_at(others: Iterable[Sequence[Point]], step: int) -> list[float]:
    return _numbers(value for validations in others for at, value in validations if at == step)


def _numbers(values: Iterable[float]) -> list[float]:
    return [value for value in values if not math.isnan(value)]
