"""Guards and their composition as tables of numbers."""

from __future__ import annotations

import math

import pytest

from keepbest.errors import InvalidInput
from keepbest.status import StopReason
from keepbest.stopping import (
    AllOf,
    AnyOf,
    CheckFinite,
    DivergenceThreshold,
    MaxSeconds,
    MaxSteps,
    Patience,
    Policy,
    StoppingThreshold,
    Validation,
)
from tests.support.watch import decisions_of, stop_of, validations_of

NAN, INF = math.nan, math.inf


@pytest.mark.parametrize(
    ("policy", "values", "stop"),
    [
        (StoppingThreshold(mode="max", threshold=0.9), [0.5, 0.9, 0.91], 3),  # strictly better
        (StoppingThreshold(mode="min", threshold=0.1), [0.5, 0.1, 0.09], 3),
        (StoppingThreshold(mode="max", threshold=0.9), [0.5, INF, NAN], None),
        (DivergenceThreshold(mode="max", threshold=0.2), [0.5, 0.2, 0.19], 3),  # strictly worse
        (DivergenceThreshold(mode="min", threshold=5), [1, 5, 5.1], 3),
        (DivergenceThreshold(mode="min", threshold=5), [1, INF], 2),
        (DivergenceThreshold(mode="min", threshold=5), [1, NAN, -INF], None),
        (CheckFinite(mode="max"), [0.5, NAN], 2),
        (CheckFinite(mode="max"), [INF], 1),
        (CheckFinite(mode="max"), [-INF], 1),
        (CheckFinite(mode="max"), [0.5, None, 0.6], None),
        (MaxSteps(mode="max", steps=3), [0.1, 0.2, 0.3, 0.4], 3),
        (MaxSteps(mode="max", steps=3), [0.1, 0.2, None], 3),
        (MaxSteps(mode="max", steps=9), [0.1], None),
    ],
)
def test_guards(policy: Policy, values: list[float | None], stop: int | None) -> None:
    assert stop_of(policy, values) == stop


def test_a_value_that_reaches_the_target_is_also_the_best() -> None:
    """Lightning leaves best_score behind here."""
    last = decisions_of(StoppingThreshold(mode="max", threshold=0.9), validations_of([0.5, 0.95]))[-1]
    assert (last.reason, last.best_step, last.best_value) == (StopReason.STOPPING_THRESHOLD, 2, 0.95)


def test_a_training_loss_that_is_nan_stops_too() -> None:
    last = decisions_of(CheckFinite(mode="max"), [Validation(1, 0.5, train=0.1), Validation(2, 0.6, train=NAN)])[-1]
    assert (last.stop, last.reason) == (True, StopReason.NON_FINITE)


def test_the_validation_at_the_last_step_is_the_last_to_count() -> None:
    policy = MaxSteps(mode="max", steps=250)
    assert policy.deadline(policy.start()) == 250
    assert decisions_of(policy, validations_of([0.1, 0.2], 125))[-1].best_value == 0.2
    late = decisions_of(policy, validations_of([0.1, 0.2, 0.9], 100))[-1]
    assert (late.at_step, late.best_value, late.improved) == (250, 0.2, False)


@pytest.mark.parametrize(("seconds", "stop"), [(None, False), (9.9, False), (10.0, True), (11.0, True)])
@pytest.mark.parametrize("value", [0.5, None])
def test_max_seconds(seconds: float | None, stop: bool, value: float | None) -> None:
    policy = MaxSeconds(mode="max", seconds=10)
    _, decision = policy.observe(policy.start(), Validation(1, value, seconds=seconds))
    assert decision.stop is stop
    assert decision.reason is (StopReason.MAX_SECONDS if stop else None)


def any_of(*policies: Policy) -> AnyOf:
    return AnyOf(mode="max", policies=policies)


@pytest.mark.parametrize(
    ("policy", "values", "stop", "reason"),
    [
        (any_of(Patience(mode="max", checks=2), MaxSteps(mode="max", steps=9)), [0.5, 0.4, 0.4], 3, "patience"),
        (any_of(Patience(mode="max", checks=2), MaxSteps(mode="max", steps=2)), [0.5, 0.4, 0.4], 2, "max_steps"),
        (any_of(Patience(mode="max", checks=2), MaxSteps(mode="max", steps=3)), [0.5, 0.4, 0.4], 3, "patience"),
        (any_of(MaxSteps(mode="max", steps=3), Patience(mode="max", checks=2)), [0.5, 0.4, 0.4], 3, "max_steps"),
        (any_of(Patience(mode="max", checks=9), CheckFinite(mode="max")), [0.5, NAN], 2, "non_finite"),
    ],
)
def test_the_first_to_stop_gives_the_reason(policy: Policy, values: list[float], stop: int, reason: str) -> None:
    last = decisions_of(policy, validations_of(values))[-1]
    assert (last.at_step, last.reason) == (stop, reason)


def test_the_earliest_deadline_holds_for_all() -> None:
    policy = any_of(Patience(mode="max", checks=2), Patience(mode="max", steps=15), MaxSteps(mode="max", steps=90))
    state, _ = policy.observe(policy.start(), Validation(10, 0.5))
    assert policy.deadline(state) == 26
    _, decision = policy.observe(state, Validation(30, 0.9))
    assert (decision.stop, decision.at_step, decision.best_value) == (True, 26, 0.5)
    assert [verdict.stop for verdict in decision.verdicts] == [False, True, False]


def test_every_verdict_is_in_the_ledger() -> None:
    policy = any_of(CheckFinite(mode="max"), Patience(mode="max", checks=3))
    _, decision = policy.observe(policy.start(), Validation(1, 0.5))
    assert [(verdict.policy, verdict.version) for verdict in decision.verdicts] == [
        ("check_finite", 1),
        ("patience", 1),
    ]
    assert (decision.wait, decision.patience_left, decision.unit) == (0, 3, "checks")


def test_a_composition_is_not_empty_and_of_one_mode() -> None:
    with pytest.raises(InvalidInput):
        any_of()
    with pytest.raises(InvalidInput):
        any_of(MaxSteps(mode="min", steps=3))


def all_of(*policies: Policy) -> AllOf:
    return AllOf(mode="max", policies=policies)


@pytest.mark.parametrize(
    ("policy", "values", "stop"),
    [
        (all_of(Patience(mode="max", checks=2), MaxSteps(mode="max", steps=5)), [0.5, 0.4, 0.4, 0.4, 0.4], 5),
        (all_of(Patience(mode="max", checks=2), MaxSteps(mode="max", steps=5)), [0.5, 0.4, 0.4, 0.4, 0.6, 0.6, 0.6], 7),
        (all_of(Patience(mode="max", checks=2), MaxSteps(mode="max", steps=2)), [0.5, 0.4, 0.4], 3),
        (all_of(CheckFinite(mode="max"), MaxSteps(mode="max", steps=2)), [NAN, 0.5, 0.5], None),
        (any_of(all_of(CheckFinite(mode="max"), MaxSteps(mode="max", steps=2)), CheckFinite(mode="max")), [NAN], 1),
        (all_of(any_of(CheckFinite(mode="max"), Patience(mode="max", checks=1)), MaxSteps(mode="max", steps=2)),
         [0.5, 0.5], 2),
    ],
)  # fmt: skip
def test_all_must_agree_at_once(policy: Policy, values: list[float], stop: int | None) -> None:
    assert stop_of(policy, values) == stop


def test_all_of_waits_for_the_last_deadline() -> None:
    policy = all_of(Patience(mode="max", steps=15), MaxSteps(mode="max", steps=90))
    state, _ = policy.observe(policy.start(), Validation(10, 0.5))
    assert policy.deadline(state) == 90
    state, waiting = policy.observe(state, Validation(30, 0.4))
    assert [(verdict.stop, verdict.reason) for verdict in waiting.verdicts] == [(False, None), (False, None)]
    assert "waits for the others" in waiting.verdicts[0].message
    assert policy.observe(state, Validation(95, 0.9))[1].at_step == 90
    with_validations = all_of(Patience(mode="max", checks=2), MaxSteps(mode="max", steps=9))
    assert with_validations.deadline(with_validations.start()) is None  # patience in checks stops at a validation only


def test_what_a_policy_lacks() -> None:
    policy = all_of(MaxSeconds(mode="max", seconds=9), any_of(CheckFinite(mode="max")))
    assert policy.lacks(Validation(1, 0.5)) == {"seconds"}
    assert policy.lacks(Validation(1, 0.5, seconds=1.0)) == set()
