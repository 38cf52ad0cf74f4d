"""The frame that all policies share: order, idempotence, the recorded decision, the state as JSON."""

from __future__ import annotations

import copy
import json
import math

import numpy as np
import pytest

from keepbest.errors import PolicyError
from keepbest.stopping import Decision, MaxSteps, Patience, Validation, build, parse

PATIENCE = Patience(mode="max", checks=2)


def test_the_same_step_and_value_get_the_same_decision() -> None:
    state, first = PATIENCE.observe(PATIENCE.start(), Validation(1, 0.5))
    again, second = PATIENCE.observe(state, Validation(1, 0.5))
    assert first == second
    assert state == again


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_non_finite_value_twice_is_the_same_value(value: float) -> None:
    state, first = PATIENCE.observe(PATIENCE.start(), Validation(1, value))
    _, second = PATIENCE.observe(json.loads(json.dumps(state, allow_nan=False)), Validation(1, value))
    assert first == second


@pytest.mark.parametrize(("step", "value"), [(5, 0.6), (5, math.nan), (4, 0.5)])
def test_a_contradicting_validation_is_an_error(step: int, value: float) -> None:
    state, _ = PATIENCE.observe(PATIENCE.start(), Validation(5, 0.5))
    with pytest.raises(PolicyError):
        PATIENCE.observe(state, Validation(step, value))


def test_after_a_stop_the_same_decision_comes_back() -> None:
    state = PATIENCE.start()
    for validation in (Validation(1, 0.5), Validation(2, 0.5), Validation(3, 0.5)):
        state, decision = PATIENCE.observe(state, validation)
    assert decision.stop
    for validation in (Validation(4, 0.9), Validation(3, 0.1), Validation(1, 0.5), Validation(9)):
        assert PATIENCE.observe(state, validation) == (state, decision)


def test_a_validation_without_a_value_changes_nothing() -> None:
    state, _ = PATIENCE.observe(PATIENCE.start(), Validation(1, 0.5))
    after, decision = PATIENCE.observe(state, Validation(7))
    assert after == state
    assert not decision.stop
    assert not decision.improved
    assert PATIENCE.observe(after, Validation(5, 0.6))[1].improved


def test_observe_does_not_touch_the_state_it_was_given() -> None:
    state, _ = PATIENCE.observe(PATIENCE.start(), Validation(1, 0.5))
    before = copy.deepcopy(state)
    PATIENCE.observe(state, Validation(2, 0.6))
    assert state == before


def test_another_policys_state_is_refused() -> None:
    with pytest.raises(PolicyError, match=r"patience@1.*max_steps@1"):
        MaxSteps(mode="max", steps=3).observe(PATIENCE.start(), Validation(1, 0.5))


def test_another_patience_may_go_on_from_a_state() -> None:
    state, _ = PATIENCE.observe(PATIENCE.start(), Validation(1, 0.5))
    _, decision = Patience(mode="max", checks=5).observe(state, Validation(2, 0.4))
    assert decision.patience_left == 4


def test_numpy_numbers_are_numbers() -> None:
    validation = Validation(np.int64(3), np.float32(0.5))  # type: ignore[arg-type]
    assert validation == Validation(3, 0.5)
    assert type(validation.step) is int
    assert type(validation.value) is float


@pytest.mark.parametrize("step", [-1, 1.5, "3", None])
def test_a_step_is_a_whole_number(step: object) -> None:
    with pytest.raises(PolicyError):
        Validation(step, 0.5)  # type: ignore[arg-type]


@pytest.mark.parametrize("value", ["high", [0.5, 0.6], 10**400])
def test_a_value_is_a_number(value: object) -> None:
    with pytest.raises(PolicyError):
        Validation(1, value)  # type: ignore[arg-type]


def test_a_decision_survives_json() -> None:
    state, decision = PATIENCE.observe(PATIENCE.start(), Validation(1, 0.5))
    assert Decision.from_json(json.loads(json.dumps(decision.to_json()))) == decision
    assert state["decision"] == decision.to_json()


def test_messages_say_what_happened() -> None:
    state, first = PATIENCE.observe(PATIENCE.start(), Validation(100, 0.5))
    state, second = PATIENCE.observe(state, Validation(200, 0.25))
    _, third = PATIENCE.observe(state, Validation(300, 0.5))
    assert first.message == "Step 100: 0.5 is the best so far; 0 of 2 checks without improvement."
    assert second.message == "Step 200: 0.25; 1 of 2 checks without improvement; best 0.5 at step 100."
    assert third.message == ("Stop at step 300: no improvement for 2 checks (patience 2 checks); best 0.5 at step 100.")


def test_parameters_and_version_have_a_fingerprint() -> None:
    assert Patience(mode="max").fingerprint() == Patience(mode="max", checks=10).fingerprint()
    assert Patience(mode="max").fingerprint() != Patience(mode="min").fingerprint()
    assert Patience(mode="max").fingerprint() != Patience(mode="max", checks=9).fingerprint()


@pytest.mark.parametrize(
    ("text", "fingerprint"),
    [
        ("10", "0a6b57788f99f887d9f9531ab858859fba109a7bd57ba1ba1d0cd039880768e7"),
        ("1000steps", "c5bb356e2eeb04b2813070fa83f0b3b6fa9207957086e4bd9610c4111dd77718"),
        (
            "patience(5, min_delta=0.01) | max_seconds(3600)",
            "18e3e0a8bb8b430f6056c5358b2419bdc8d32f2d30a9701f7a790003a2511b05",
        ),
        ("shadow(20) | check_finite", "a4ede45022c24b8932e40155c562a2ae789c3ef3a557b1894592488a0a842f79"),
    ],
)
def test_a_rule_recorded_before_a_parameter_came_is_the_same(text: str, fingerprint: str) -> None:
    """As it was before `patience(epochs=…)`: where nobody says that, it is no part of the rule."""
    assert build(parse(text), "max").fingerprint() == fingerprint


def test_a_later_parameter_that_is_said_is_part_of_the_rule() -> None:
    assert build(parse("2epochs"), "max").to_json()["params"]["epochs"] == 2.0
    assert build(parse("2epochs"), "max").fingerprint() != build(parse("3epochs"), "max").fingerprint()
