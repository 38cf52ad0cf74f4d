"""Patience as tables of numbers."""

from __future__ import annotations

import math
from typing import Any

import pytest

from keepbest.errors import InvalidInput
from keepbest.status import StopReason
from keepbest.stopping import AnyOf, CheckFinite, Mode, Patience, Validation
from tests.support.seed_record import BEYOND, VALIDATIONS
from tests.support.watch import decisions_of, stop_of, validations_of

NAN = math.nan


@pytest.mark.parametrize(
    ("params", "stop"),
    [
        ({"steps": 1000, "every_step": True}, 5801),  # the tutorial's loop
        ({"steps": 1000}, 5801),
        ({"steps": 1000, "every_step": False, "inclusive": True}, 5800),  # tf.estimator's rule
        ({"steps": 1000, "every_step": True, "inclusive": True}, 5800),
        ({"checks": 10}, 5800),  # Keras' rule
        ({"steps": 1000, "every_step": False}, 5900),  # strictly more, decided at validations
    ],
)
def test_three_readings_of_the_tutorials_rule(params: dict[str, Any], stop: int) -> None:
    last = decisions_of(Patience(mode="max", **params), [*VALIDATIONS, *BEYOND])[-1]
    assert (last.stop, last.at_step, last.best_step, last.best_value) == (True, stop, 4800, 98.8)
    assert last.reason is StopReason.PATIENCE


@pytest.mark.parametrize(
    ("steps", "stop", "best_step", "best"),
    [
        (200, 2101, 1900, 98.1),
        (500, 2401, 1900, 98.1),
        (600, 3101, 2500, 98.2),
        (700, 5501, 4800, 98.8),
        (800, 5601, 4800, 98.8),
        (900, 5701, 4800, 98.8),
        (1000, 5801, 4800, 98.8),
    ],
)
def test_other_patience_on_the_tutorials_record(steps: int, stop: int, best_step: int, best: float) -> None:
    last = decisions_of(Patience(mode="max", steps=steps), [*VALIDATIONS, *BEYOND])[-1]
    assert (last.at_step, last.best_step, last.best_value) == (stop, best_step, best)


def test_the_deadline_follows_the_last_improvement() -> None:
    policy = Patience(mode="max", steps=1000)
    state = policy.start()
    assert policy.deadline(state) == 1001  # before any validation, from step 0, as in the tutorial
    for validation in VALIDATIONS:
        state, _ = policy.observe(state, validation)
    assert policy.deadline(state) == 5801
    state, decision = policy.observe(state, Validation(5801))
    assert decision.stop
    assert decision.wait == 1001
    assert decision.patience_left == 0
    assert policy.deadline(state) == 5801


def test_a_validation_at_the_deadline_itself_counts_first() -> None:
    policy = Patience(mode="max", steps=10)
    state, _ = policy.observe(policy.start(), Validation(5, 0.5))
    _, saved = policy.observe(state, Validation(16, 0.6))
    assert not saved.stop
    assert saved.wait == 0
    _, lost = policy.observe(state, Validation(16, 0.5))
    assert lost.stop


def test_a_validation_past_the_deadline_never_happened() -> None:
    policy = Patience(mode="max", steps=10)
    state, _ = policy.observe(policy.start(), Validation(5, 0.5))
    _, decision = policy.observe(state, Validation(17, 0.9))
    assert (decision.stop, decision.at_step, decision.improved, decision.best_value) == (True, 16, False, 0.5)


@pytest.mark.parametrize(
    ("mode", "checks", "values", "stop"),
    [
        ("min", 1, [10, 9, 8, 9, 8.9, 8.9], 4),
        ("min", 2, [10, 9, 8, 9, 8.9, 8.9], 5),
        ("min", 3, [10, 9, 8, 9, 8.9, 8.9], 6),
        ("min", 4, [10, 9, 8, 9, 8.9, 8.9], None),
        ("max", 2, [0.5, 0.5, 0.5], 3),  # ties are no improvement
        ("max", 2, [0.5, 0.4, 0.6, 0.5, 0.5], 5),
        ("max", 2, [NAN, 0.5, 0.6, 0.7], None),  # a first NaN is never best
        ("max", 2, [NAN, NAN, 0.9], 2),  # but it counts
        ("max", 2, [0.5, math.inf, 0.4], 3),  # nor is an infinity on the good side
        ("min", 2, [0.5, -math.inf, 0.4, 0.4], None),
        ("max", 2, [0.5, None, None, None, 0.4], None),  # a missing value is ignored
        ("max", 1, [0.98, 0.98 + 1e-9, 0.98 + 2e-9], None),  # float64: Keras sees ties here
        ("max", 1, [-2.0, -1.0, -1.5], 3),
        ("max", 10, [0.5] * 11, 11),
    ],
)
def test_checks(mode: Mode, checks: int, values: list[float | None], stop: int | None) -> None:
    assert stop_of(Patience(mode=mode, checks=checks), values) == stop


@pytest.mark.parametrize(
    ("mode", "min_delta", "values", "stop"),
    [
        ("max", 0.25, [1.0, 1.25, 1.25], 3),  # a gain of exactly min_delta is none
        ("max", 0.25, [1.0, 1.2, 1.3, 1.3], None),  # creep adds up against the old reference
        ("min", 0.25, [1.0, 0.75, 0.75], 3),
        ("min", 0.25, [1.0, 0.8, 0.7, 0.7], None),
        ("max", 0.0, [1.0, 1.0 + 2**-52, 1.0], None),
    ],
)
def test_min_delta(mode: Mode, min_delta: float, values: list[float], stop: int | None) -> None:
    assert stop_of(Patience(mode=mode, checks=2, min_delta=min_delta), values) == stop


def test_min_delta_is_the_stoppers_and_never_the_selectors() -> None:
    """A gain below min_delta does not reset the patience, but it is the best there is and worth keeping."""
    last = decisions_of(Patience(mode="max", checks=2, min_delta=0.1), validations_of([0.90, 0.95, 0.99]))[-1]
    assert (last.stop, last.improved, last.best_step, last.best_value, last.wait) == (True, True, 3, 0.99, 2)


def test_a_baseline_is_the_first_reference_and_never_the_best() -> None:
    assert stop_of(Patience(mode="max", checks=2, baseline=0.6), [0.5, 0.55, 0.7]) == 2
    assert stop_of(Patience(mode="max", checks=2, baseline=0.6), [0.5, 0.7, 0.6, 0.7]) == 4
    last = decisions_of(Patience(mode="max", checks=2, baseline=0.6), validations_of([0.5, 0.55]))[-1]
    assert (last.best_step, last.best_value) == (2, 0.55)


def test_validations_before_start_from_do_not_count() -> None:
    policy = Patience(mode="max", checks=2, start_from=40)
    assert stop_of(policy, [0.9, 0.1, 0.1, 0.2, 0.2, 0.2], every=10) == 60  # 0.9 is no reference, 0.2 at step 40 is
    assert policy.deadline(policy.start()) is None
    assert Patience(mode="max", steps=20, start_from=40).deadline(policy.start() | {"policy": "patience@1"}) == 61


def test_only_a_value_better_than_the_baseline_ends_the_wait() -> None:
    policy = Patience(mode="max", checks=3, baseline=0.5)
    assert stop_of(policy, [0.1, 0.2, 0.3, 0.9], every=10) == 30  # better each time, never better than 0.5
    assert stop_of(policy, [0.1, 0.6, 0.5, 0.5, 0.5], every=10) == 50


def test_smoothing_is_a_debiased_average() -> None:
    """s_1 = 1, s_2 = (0.25*1 + 0.5*4) / 0.75 = 3, s_3 = (0.125*1 + 0.25*4 + 0.5*2) / 0.875 = 2.428…"""
    policy = Patience(mode="max", checks=3, smoothing=0.5)
    state = policy.start()
    references = []
    for validation in validations_of([1.0, 4.0, 2.0]):
        state, decision = policy.observe(state, validation)
        references.append(state["memory"]["reference"])
    assert references == [1.0, 3.0, 3.0]
    assert decision.wait == 1
    assert decision.best_value == 4.0  # the selector takes the raw best


def test_a_nan_leaves_the_average_alone() -> None:
    policy = Patience(mode="max", checks=5, smoothing=0.9)
    state, _ = policy.observe(policy.start(), Validation(1, 1.0))
    after, decision = policy.observe(state, Validation(2, NAN))
    assert after["memory"]["average"] == state["memory"]["average"]
    assert decision.wait == 1


def test_a_smooth_curve_forgives_one_spike() -> None:
    spiky = [0.1, 0.2, 0.9, 0.3, 0.4, 0.5, 0.6]
    assert stop_of(Patience(mode="max", checks=4), spiky) == 7
    assert stop_of(Patience(mode="max", checks=4, smoothing=0.9), spiky) is None


@pytest.mark.parametrize(
    ("params", "field"),
    [
        ({"checks": 0}, "checks"),
        ({"checks": -1}, "checks"),
        ({"checks": 1.5}, "checks"),
        ({"checks": True}, "checks"),
        ({"checks": "10"}, "checks"),
        ({"checks": 10**400}, "checks"),
        ({"checks": 3, "steps": 3}, "steps"),
        ({"min_delta": -0.1}, "min_delta"),
        ({"min_delta": NAN}, "min_delta"),
        ({"smoothing": 1.0}, "smoothing"),
        ({"start_from": -1}, "start_from"),
        ({"every_step": True}, "every_step"),
        ({"checks": 3, "inclusive": True}, "inclusive"),
        ({"steps": 3, "every_step": 1}, "every_step"),
        ({"mode": "auto"}, "mode"),
    ],
)
def test_wrong_parameters_are_named(params: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        Patience(**{"mode": "max", **params})
    assert caught.value.field == field


def test_ten_checks_is_the_default() -> None:
    assert Patience(mode="max").params["checks"] == 10


def test_whole_floats_are_taken_as_whole_numbers() -> None:
    whole: Any = 10.0
    assert Patience(mode="max", checks=whole) == Patience(mode="max", checks=10)


@pytest.mark.parametrize("params", [{"checks": 2}, {"steps": 20}])
def test_patience_begun_anew_waits_in_full_and_keeps_the_best(params: dict[str, Any]) -> None:
    policy = AnyOf(mode="max", policies=(Patience(mode="max", **params), CheckFinite(mode="max")))
    state = policy.start()
    for validation in validations_of([0.5, 0.4, 0.4, 0.4], every=10):
        state, decision = policy.observe(state, validation)
    assert decision.stop
    state = policy.restart_patience(state, 20)
    later = [policy.observe(state, Validation(30, 0.4))[1]]
    for step in (30, 40, 50):
        state, decision = policy.observe(state, Validation(step, 0.4))
        later.append(decision)
    assert [one.stop for one in later] == [False, False, "checks" in params, True]
    assert (decision.best_step, decision.improved) == (10, False)
