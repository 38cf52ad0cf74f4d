"""The median rule in both forms, on tables of numbers."""

from __future__ import annotations

import math
from typing import Any

import pytest

from keepbest.stopping.median import MedianComparison, judge_by_median

NAN = math.nan
Row = list[float]


def validations(*values: float, every: int = 1) -> list[tuple[int, float]]:
    return [(every * (place + 1), value) for place, value in enumerate(values)]


def judge(own: Row, others: list[Row], mode: Any = "max", **how: Any) -> MedianComparison:
    return judge_by_median(validations(*own), [validations(*row) for row in others], mode, **{"startup_runs": 1, **how})


OTHERS = [[0.2, 0.6, 0.9], [0.4, 0.8, 0.8], [0.6, 0.7, 0.7]]
#: Own values; the others' averages up to each step have the medians 0.4, 0.6, 0.667; their values 0.4, 0.7, 0.8.
TABLE = [
    ([0.39], True, 0.4, True, 0.4),
    ([0.4], False, 0.4, False, 0.4),
    ([0.1, 0.65], False, 0.6, True, 0.7),
    ([0.65, 0.1], False, 0.6, True, 0.7),
    ([0.1, 0.1, 0.7], False, 2 / 3, True, 0.8),
    ([0.1, 0.1, 0.66], True, 2 / 3, True, 0.8),
]


@pytest.mark.parametrize(("own", "vizier", "average", "optuna", "value"), TABLE)
@pytest.mark.parametrize("mode", ["max", "min"])
def test_the_two_forms(own: Row, vizier: bool, average: float, optuna: bool, value: float, mode: str) -> None:
    sign = 1 if mode == "max" else -1
    others = [[sign * one for one in row] for row in OTHERS]
    mine = [sign * one for one in own]
    ruled = [judge(mine, others, mode, form=form) for form in ("vizier", "optuna")]
    assert [one.stop for one in ruled] == [vizier, optuna]
    assert [one.median for one in ruled] == pytest.approx([sign * average, sign * value])
    assert {(one.best, one.step, one.runs) for one in ruled} == {(sign * max(own), len(own), 3)}


def test_the_median_of_two_lies_between_them() -> None:
    assert judge([0.49], [[0.4], [0.6]], form="optuna").median == 0.5


@pytest.mark.parametrize("form", ["vizier", "optuna"])
def test_nothing_is_judged_before_its_time(form: str) -> None:
    """Optuna's n_startup_trials and n_warmup_steps: at that step itself it judges."""
    assert not judge([0.0], OTHERS, form=form, startup_runs=4).stop
    assert judge([0.0], OTHERS, form=form, startup_runs=3).stop
    assert not judge([0.0], OTHERS, form=form, start_from=2).stop
    assert judge([0.0, 0.0], OTHERS, form=form, start_from=2).stop
    assert not judge([0.0], [], form=form).stop
    assert judge([], OTHERS, form=form) == MedianComparison(False, 0)


def test_other_steps_are_compared_in_viziers_form_only() -> None:
    own, others = validations(0.1, every=15), [validations(0.5, 0.6, every=10)]
    assert judge_by_median(own, others, "max", form="vizier", startup_runs=1).stop
    assert not judge_by_median(own, others, "max", form="optuna", startup_runs=1).stop


def test_nan_counts_nowhere() -> None:
    assert judge([0.5], [[NAN], [0.6]], form="optuna").runs == 1
    assert judge([0.5], [[NAN], [0.6]], form="vizier").runs == 1
    assert not judge([0.5], [[NAN]], form="optuna").stop
    assert judge([NAN, 0.9], OTHERS, form="optuna").best == 0.9


def test_a_run_of_nothing_but_nan() -> None:
    """Optuna prunes it, before it looks at the others; in Vizier's form there is nothing to compare."""
    assert judge([NAN], OTHERS, form="optuna") == MedianComparison(True, 1)
    assert judge([NAN], OTHERS, form="vizier") == MedianComparison(False, 1)
