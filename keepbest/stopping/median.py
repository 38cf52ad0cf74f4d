"""The median rule across runs: whether a run is worse than the median of others. Pure numbers, for one run at a time.

Both forms of the rule compare a run's best value up to its newest step s with a median over other runs. `vizier`
(Golovin et al., *Google Vizier*, 2017) takes of each other run the average of its values up to s. `optuna` (its
MedianPruner) takes the value at exactly s, so runs that validate at other steps are never compared.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, median
from typing import Literal

from keepbest.stopping.validation import Mode

Form = Literal["vizier", "optuna"]
#: A step and the value measured there.
Point = tuple[int, float]


@dataclass(frozen=True, slots=True)
class MedianComparison:
    """The run's best value up to `step`, and the median over `runs` others; both None if nothing was compared."""

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

    The rule waits for step `start_from` and for `startup_runs` finished others. NaN counts nowhere. Optuna's form stops
    a run that measured nothing but NaN; Vizier's form leaves such a run alone.
    """
    step = max((at for at, _ in own), default=0)
    if not own or step < start_from or len(others) < max(startup_runs, 1):
        return MedianComparison(False, step)
    known = [value for _, value in own if not math.isnan(value)]
    if not known:
        return MedianComparison(form == "optuna", step)
    best = max(known) if mode == "max" else min(known)
    if form == "vizier":
        finite = ([value for at, value in points if at <= step and math.isfinite(value)] for points in others)
        compared = [fmean(values) for values in finite if values]
    else:
        compared = [value for points in others for at, value in points if at == step and not math.isnan(value)]
    if not compared:
        return MedianComparison(False, step, best)
    middle = median(compared)
    is_worse = best < middle if mode == "max" else best > middle
    return MedianComparison(is_worse, step, best, middle, len(compared))
