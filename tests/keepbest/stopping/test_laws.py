"""Laws that every policy keeps, whatever the validations."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keepbest.stopping import (
    AllOf,
    AnyOf,
    CheckFinite,
    Correct,
    Decision,
    DivergenceThreshold,
    GeneralizationLoss,
    Losses,
    MaxSeconds,
    MaxSteps,
    Mode,
    NoiseAware,
    PairedNoise,
    Patience,
    Policy,
    ProgressQuotient,
    Recover,
    ReduceOnPlateau,
    Require,
    Shadow,
    StoppingThreshold,
    SuccessiveHalving,
    Unpaired,
    Upcrossing,
    Validation,
    build,
    is_better,
)
from keepbest.stopping.best import find_best
from keepbest.stopping.registry import POLICIES

pytestmark = pytest.mark.slow

MODES: st.SearchStrategy[Mode] = st.sampled_from(["max", "min"])
COUNTS = st.integers(1, 6)
CORRECT = st.lists(st.booleans(), min_size=9, max_size=10).map(Correct.of)
LOSSES = st.lists(st.floats(width=32), min_size=3, max_size=4).map(Losses.of)
PAIRS = st.one_of(st.none(), CORRECT, LOSSES, st.just(Unpaired("a pipeline")))
FEW_VALUES = st.sampled_from([0.0, 0.1, 0.5, 0.5000001, 0.9, -1.0, math.nan, math.inf, -math.inf])
PERFECT = st.sampled_from([None, 0.0, 0.9, 1.0])
CONDITIONS = st.sampled_from(["m >= 0.5", "m < 0.9", "m > 0 and m <= 0.9"])
VALUES = st.one_of(st.none(), FEW_VALUES, st.floats())


@st.composite
def policies(draw: st.DrawFn) -> Policy:
    mode = draw(MODES)
    return draw(st.recursive(leaves(mode), lambda inner: compositions(mode, inner), max_leaves=4))


def compositions(mode: Mode, inner: st.SearchStrategy[Policy]) -> st.SearchStrategy[Policy]:
    parts = st.lists(inner, min_size=1, max_size=3).map(tuple)
    parts = parts.filter(lambda policies: sum(len(policy.recovering) for policy in policies) <= 1)
    deciding = parts.filter(lambda policies: all(p.can_stop and not p.recovering for p in policies))
    return st.one_of(
        st.builds(AnyOf, mode=st.just(mode), policies=parts),
        st.builds(AllOf, mode=st.just(mode), policies=deciding),
        st.builds(Shadow, mode=st.just(mode), policies=st.tuples(inner)),
        st.builds(Require, mode=st.just(mode), condition=CONDITIONS, policies=st.tuples(inner)),
    )


def leaves(mode: Mode) -> st.SearchStrategy[Policy]:
    tuning = {"min_delta": st.sampled_from([0.0, 0.1]), "smoothing": st.sampled_from([0.0, 0.6])}
    late = st.sampled_from([0, 30])
    return st.one_of(
        st.builds(Patience, mode=st.just(mode), checks=COUNTS, start_from=late, **tuning),
        st.builds(
            Patience,
            mode=st.just(mode),
            steps=st.integers(1, 60),
            start_from=late,
            every_step=st.booleans(),
            inclusive=st.booleans(),
            **tuning,
        ),
        st.builds(StoppingThreshold, mode=st.just(mode), threshold=st.floats(-1, 2)),
        st.builds(DivergenceThreshold, mode=st.just(mode), threshold=st.floats(-1, 2)),
        st.builds(CheckFinite, mode=st.just(mode)),
        st.builds(MaxSteps, mode=st.just(mode), steps=st.integers(1, 90)),
        st.builds(MaxSeconds, mode=st.just(mode), seconds=st.floats(1, 60)),
        st.builds(GeneralizationLoss, mode=st.just(mode), alpha=st.floats(0, 200), perfect=PERFECT),
        st.builds(ProgressQuotient, mode=st.just(mode), alpha=st.floats(0, 3), strip=COUNTS, perfect=PERFECT),
        st.builds(Upcrossing, mode=st.just(mode), times=st.integers(1, 3), strip=st.integers(1, 3)),
        st.builds(NoiseAware, mode=st.just(mode), checks=COUNTS, z=st.floats(0, 3)),
        st.builds(
            ReduceOnPlateau,
            mode=st.just(mode),
            checks=st.integers(1, 3),
            cooldown=st.integers(0, 2),
            min_delta=st.sampled_from([0.0, 0.1]),
            max_reductions=st.sampled_from([None, 1, 2]),
        ),
        st.builds(Recover, mode=st.just(mode), times=st.integers(1, 2), then=st.sampled_from(["stop", "go_on"])),
        st.builds(SuccessiveHalving, mode=st.just(mode), min_steps=st.integers(1, 40), factor=st.integers(2, 4)),
        st.builds(PairedNoise, mode=st.just(mode), checks=COUNTS, alpha=st.floats(0.01, 0.9)),
    )


@st.composite
def records(draw: st.DrawFn) -> list[Validation]:
    """Validations in order of step, some without a value, a training loss, a size, pairs or the metric m; a second a
    step.
    """
    gaps = draw(st.lists(st.integers(1, 15), max_size=15))
    steps = [sum(gaps[: i + 1]) for i in range(len(gaps))]
    sizes = st.sampled_from([None, 1, 100])
    further = st.sampled_from([{}, {"m": 0.2}, {"m": 0.5}, {"m": 0.9}, {"m": math.nan}])
    return [
        Validation(
            step,
            draw(VALUES),
            n=draw(sizes),
            train=draw(VALUES),
            seconds=float(step),
            metrics=draw(further),
            pairs=draw(PAIRS),
        )
        for step in steps
    ]


def straight(policy: Policy, validations: list[Validation]) -> list[Decision]:
    state, decisions = policy.start(), []
    for validation in validations:
        state, decision = policy.observe(state, validation)
        decisions.append(decision)
    return decisions


def carried(policy: Policy, validations: list[Validation]) -> list[Decision]:
    """As `straight`, but everything goes through JSON after each validation, and each validation is told twice."""
    text, decisions = json.dumps(policy.start(), allow_nan=False), []
    for validation in validations:
        state, decision = policy.observe(json.loads(text), validation)
        text = json.dumps(state, allow_nan=False)
        state, again = policy.observe(json.loads(text), validation)
        assert again == decision
        assert json.dumps(state, allow_nan=False) == text
        decisions.append(Decision.from_json(json.loads(json.dumps(decision.to_json(), allow_nan=False))))
    return decisions


def test_no_policy_is_left_out() -> None:
    """What is imported here is drawn above: whoever adds a policy adds it to `leaves` or `compositions`."""
    assert {kind.__name__ for kind in POLICIES.values()} <= globals().keys()


@given(policies(), records())
def test_a_state_survives_json_and_a_validation_told_twice(policy: Policy, validations: list[Validation]) -> None:
    assert carried(policy, validations) == straight(policy, validations)


@given(policies(), records())
def test_the_best_is_the_first_strict_raw_best_that_is_admitted(policy: Policy, validations: list[Validation]) -> None:
    seen = []
    for validation, decision in zip(validations, straight(policy, validations), strict=True):
        if decision.stop and decision.at_step < validation.step:
            break  # this validation and all after it would not have been taken
        seen.append(replace(validation, is_admitted=not policy.find_faults(validation)))
        best = find_best(seen, policy.mode)
        assert (decision.best_step, decision.best_value) == ((best.step, best.value) if best else (None, None))
        if decision.stop:
            break


@given(policies(), records())
def test_a_stop_has_a_reason_and_stays(policy: Policy, validations: list[Validation]) -> None:
    decisions = straight(policy, validations)
    stops = [decision for decision in decisions if decision.stop]
    assert all(stop == stops[0] for stop in stops)
    assert [decision.stop for decision in decisions] == sorted(decision.stop for decision in decisions)
    assert all((decision.reason is not None) == decision.stop for decision in decisions)


@given(policies(), records())
def test_silence_stops_at_the_deadline_not_one_step_before(policy: Policy, validations: list[Validation]) -> None:
    state = policy.start()
    for validation in validations:
        state, decision = policy.observe(state, validation)
    due = policy.deadline(state)
    if due is None or (validations and decision.stop):
        return
    here = max((validation.step for validation in validations), default=0)
    if due - 1 >= here:
        assert not policy.observe(state, Validation(due - 1))[1].stop
    assert policy.observe(state, Validation(max(due, here)))[1].stop


@given(st.floats(), st.floats(), MODES)
def test_better_is_strict_and_never_non_finite(a: float, b: float, mode: Mode) -> None:
    assert not (is_better(a, b, mode) and is_better(b, a, mode))
    assert not is_better(math.nan, b, mode)
    assert not is_better(a, a, mode)


@given(policies(), records(), st.integers(0, 15))
def test_two_processes_decide_as_one(policy: Policy, validations: list[Validation], cut: int) -> None:
    """The second process knows the policy's JSON form and the state, nothing else."""
    state = policy.start()
    for validation in validations[:cut]:
        state, _ = policy.observe(state, validation)
    other, state = build(json.loads(json.dumps(policy.to_json())), policy.mode), json.loads(json.dumps(state))
    decisions = []
    for validation in validations[cut:]:
        state, decision = other.observe(state, validation)
        decisions.append(decision)
    assert decisions == straight(policy, validations)[cut:]


@given(policies(), records())
def test_restarted_patience_lifts_the_stop_and_keeps_the_best(policy: Policy, validations: list[Validation]) -> None:
    state = policy.start()
    for validation in validations:
        state, _ = policy.observe(state, validation)
    again = json.loads(
        json.dumps(policy.restart_patience(state, validations[-1].step if validations else 0), allow_nan=False)
    )
    assert (again["best_step"], again["best_value"]) == (state["best_step"], state["best_value"])
    assert again["decision"] is None
