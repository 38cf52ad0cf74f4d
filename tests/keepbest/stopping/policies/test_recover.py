from __future__ import annotations

import json
import math
from typing import Any

import pytest

from keepbest.errors import InvalidInput
from keepbest.stopping import Decision, Policy, Recovery, State, Validation, build, parse, render
from keepbest.stopping.replay import RecordedRun, Status, replay

NAN = math.nan


def of(text: str) -> Policy:
    return build(parse(text), "min")


def judge(policy: Policy, *validations: Validation) -> tuple[State, Decision]:
    state, decision = policy.start(), None
    for validation in validations:
        state, decision = policy.observe(state, validation)
    assert decision is not None
    return state, decision


def recovered(policy: Policy, state: State, step: int, to: int) -> State:
    return {**state, "memory": policy.note(state["memory"], Recovery(step, to))}


@pytest.mark.parametrize(
    ("validation", "what"),
    [
        (Validation(200, NAN), "the value is nan"),
        (Validation(200, 0.4, train=math.inf), "the training loss is inf"),
        (Validation(200, 0.4, fault="dense/kernel became NaN"), "dense/kernel became NaN"),
        (Validation(200, broken="the loss of the batch is nan"), "the loss of the batch is nan"),
        (Validation(200, 0.4), None),
        (Validation(200), None),
    ],
)
def test_a_broken_validation_goes_back_and_a_sound_one_not(validation: Validation, what: str | None) -> None:
    _, decision = judge(of("recover()"), Validation(100, 0.5), validation)

    assert (decision.goes_back, decision.stop, decision.reason) == (what, False, None)


def test_only_named_signs_count() -> None:
    policy = of("recover(on=spike(z=9))")

    assert judge(policy, Validation(100, NAN))[1].goes_back is None
    assert judge(policy, Validation(100, broken="a spike"))[1].goes_back == "a spike"


def test_after_the_last_recovery_the_run_stops_as_unrecoverable() -> None:
    policy = of("recover(times=2)")
    state, _ = judge(policy, Validation(100, 0.5))
    for step in (150, 160):
        state = recovered(policy, state, step, 100)
    state, decision = policy.observe(state, Validation(170, broken="the loss of the batch is nan"))

    assert (decision.stop, decision.reason) == (True, "unrecoverable")
    assert decision.message == (
        "Stop at step 170: the loss of the batch is nan, after 2 recoveries; best 0.5 at step 100."
    )
    assert policy.observe(state, Validation(180, 0.1))[1] == decision


def test_after_the_last_recovery_training_may_go_on() -> None:
    policy = of("recover(times=1, then=go_on)")
    state = recovered(policy, policy.start(), 50, 0)

    _, decision = policy.observe(state, Validation(60, broken="a spike"))

    assert (decision.stop, decision.goes_back) == (False, None)


def test_going_back_comes_before_every_stop_at_that_validation() -> None:
    policy = of("check_finite() | max_steps(200) | patience(checks=1) | recover()")

    _, decision = judge(policy, Validation(100, 0.5), Validation(200, NAN))

    assert (decision.stop, decision.reason, decision.goes_back) == (False, None, "the value is nan")


def test_a_run_that_goes_back_waits_at_no_rung() -> None:
    policy = of("successive_halving(min_steps=100) | recover()")

    assert judge(policy, Validation(100, 0.5))[1].rung == 1
    assert judge(policy, Validation(100, NAN))[1].rung is None


def test_the_count_stays_and_the_patience_goes_back() -> None:
    policy = of("patience(checks=9) | shadow(max_steps(5)) | recover(times=2)")
    past, _ = judge(policy, Validation(100, 0.5))
    state, _ = policy.observe(past, Validation(200, 0.6))
    state = recovered(policy, state, 250, 100)

    memory = policy.carry(past["memory"], state["memory"])

    assert memory["policies"][:2] == past["memory"]["policies"][:2]
    assert policy.recoveries(memory) == (Recovery(250, 100),)
    assert json.loads(json.dumps(memory)) == memory


def test_a_sound_validation_makes_a_state_new_again() -> None:
    policy = of("max_steps(900) | recover()")
    state = recovered(policy, policy.start(), 250, 100)
    assert policy.used(state["memory"]) == {100}

    state, _ = policy.observe(state, Validation(300, 0.4))

    assert policy.used(state["memory"]) == frozenset()
    assert len(policy.recoveries(state["memory"])) == 1


def test_a_replay_ends_where_the_run_did_not_go_back() -> None:
    validations = [Validation(100, 0.5), Validation(200, NAN), Validation(300, 0.3)]

    outcome = replay(of("patience(checks=1) | recover()"), RecordedRun(validations=validations, mode="min"))

    assert (outcome.status, outcome.best_step, outcome.stop_step) == (Status.CENSORED, 100, None)
    assert outcome.message == "At step 200 it would have gone back: the value is nan. What follows is not known."


def test_a_shadow_says_where_it_would_go_back() -> None:
    policy = of("shadow(recover())")

    _, decision = judge(policy, Validation(100, NAN))

    assert decision.goes_back is None
    assert decision.verdicts[0].message == "would go back: the value is nan"


@pytest.mark.parametrize(
    "text",
    [
        "recover(learning_rate=0.1x, times=3)",
        "recover(on=non_finite | spike(z=8, window=50), to=200, then=go_on)",
        'patience(9) | recover("3e-5", global_clipnorm=1.5, every=100)',
    ],
)
def test_a_recover_reads_and_writes_as_text(text: str) -> None:
    spec = parse(text)

    assert parse(render(spec)) == spec
    assert build(spec, "max").to_json() == build(json.loads(json.dumps(spec)), "max").to_json()


def test_numbers_may_stand_for_texts_in_json() -> None:
    policy: Any = build({"name": "recover", "params": {"learning_rate": 0.001, "to": 200}}, "min")

    assert (policy.learning_rate, policy.steps_back) == ("0.001", 200)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("patience(3) & recover()", "cannot wait for the policies beside it in all_of"),
        ("patience(3) & (max_steps(9) | recover())", "cannot wait for the policies beside it in all_of"),
        ("recover() | recover(times=2)", "by one recover only"),
        ("recover(on=spik(z=3))", "no sign 'spik'"),
        ("recover(learning_rate=fast)", "a number above 0, or a multiple"),
        ("recover(learning_rate=0x)", "a number above 0, or a multiple"),
        ("recover(to=worst)", "'best' or a number of steps"),
        ("recover(then=wait)", "one of stop, go_on"),
        ("recover(times=0)", "at least 1"),
        ("recover(on=,times=2)", "a value was expected after 'on='"),
    ],
)
def test_an_impossible_recover_is_refused_with_words(text: str, words: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        parse(text)

    assert words.lower() in refused.value.message.lower()
