"""The stopper: a last step that moves, stops that are lifted, states from before and after."""

from __future__ import annotations

import json
from typing import Any

import pytest

from keepbest.errors import MetricMissing, PolicyError
from keepbest.status import StopReason
from keepbest.stopping import Validation, parse, read_pairs
from keepbest.tracking.stopper import Stopper


def make(stopper: str = "patience(checks=3)", max_steps: int | None = None, mode: Any = "min") -> Stopper:
    return Stopper(parse(stopper), mode, max_steps, clock=lambda: 0.0)


def passed_on(stopper: Stopper) -> dict[str, Any]:
    """Return the state as it comes back from a checkpoint."""
    state: dict[str, Any] = json.loads(json.dumps(stopper.state(), allow_nan=False))
    return state


def watch(stopper: Stopper, values: dict[int, float]) -> None:
    for step, value in values.items():
        stopper.observe(Validation(step, value))


@pytest.mark.parametrize("before", [None, 50, 10_000])
def test_a_last_step_may_move_either_way_and_the_wait_goes_on(before: int | None) -> None:
    stopper = make(max_steps=before)
    watch(stopper, {10: 1.0, 20: 2.0})
    stopper.set_max_steps(100)
    assert (stopper.deadline(), stopper.max_steps) == (100, 100)
    assert stopper.observe(Validation(30, 2.0)).wait == 2
    assert stopper.observe(Validation(100)).reason is StopReason.MAX_STEPS


@pytest.mark.parametrize(("before", "after"), [(None, 500), (500, None), (500, 200), (None, None)])
def test_a_state_fits_whatever_the_last_step_was_then(before: int | None, after: int | None) -> None:
    """A local run that went back with a last step, resumed by a script that says none."""
    first, second = make(max_steps=before), make(max_steps=after)
    watch(first, {10: 1.0, 20: 2.0})
    second.go_on_from(passed_on(first))
    assert second.deadline() == after
    decision = second.observe(Validation(30, 3.0))
    assert (decision.best_step, decision.wait) == (10, 2)


def test_a_state_of_another_policy_does_not_fit() -> None:
    stopper, other = make(max_steps=5), make("patience(checks=3) | check_finite()", 5)
    before = stopper.state()
    for take in (stopper.go_on_from, stopper.recall):
        with pytest.raises(PolicyError, match="wrote this state"):
            take(other.state())
    assert stopper.state() == before


@pytest.mark.parametrize(
    "policy",
    [
        "max_steps(40)",
        "patience(checks=3) | max_steps(40)",
        "3 | (9 | max_steps(40))",
        'require("a > 0", 3 | max_steps(40))',
    ],
)
def test_a_last_step_in_the_stopper_itself_moves_too(policy: str) -> None:
    stopper = make(policy)
    stopper.observe(Validation(10, 1.0, metrics={"a": 1.0}))
    stopper.set_max_steps(90)
    assert stopper.deadline() == 90


def test_a_missing_metric_is_missed_at_the_first_validation() -> None:
    stopper = make('require("recal > 0", patience(3))')
    with pytest.raises(MetricMissing, match="The stopper reads recal; the validation has loss, recall"):
        stopper.observe(Validation(10, 1.0, metrics={"loss": 0.5, "recall": 0.9}))
    assert not stopper.observe(Validation(5)).stop
    assert stopper.observe(Validation(10, 1.0, metrics={"recal": 0.9})).improved
    assert not stopper.observe(Validation(20, 0.5, metrics={})).is_admitted  # later on it only does not count


def test_one_that_waits_for_others_stays() -> None:
    stopper = make("patience(steps=10) & max_steps(40)")
    stopper.observe(Validation(10, 1.0))
    stopper.set_max_steps(90)
    assert stopper.deadline() == 40  # both said so: not before that step


def test_the_last_step_may_move_before_the_mode_is_known() -> None:
    stopper = make("patience(steps=30) | max_steps(40)", mode=None)
    stopper.set_max_steps(900)
    stopper.restart_patience(500)
    assert stopper.deadline() is None
    stopper.set_mode("max")
    assert stopper.deadline() == 531


def test_a_stop_by_the_old_last_step_is_lifted() -> None:
    stopper = make(max_steps=30)
    watch(stopper, {10: 1.0, 20: 2.0, 30: 2.0})
    assert stopper.decision is not None
    assert stopper.decision.reason is StopReason.MAX_STEPS
    stopper.set_max_steps(100)
    stopper.lift_stop(30)
    assert stopper.decision is None or not stopper.decision.stop
    assert stopper.deadline() == 100
    decision = stopper.observe(Validation(40, 2.0))
    assert (decision.stop, decision.reason, decision.wait) == (True, StopReason.PATIENCE, 3)


@pytest.mark.parametrize("max_steps", [30, None])
def test_a_stop_by_patience_is_lifted_with_patience_anew(max_steps: int | None) -> None:
    """With a last step at the same validation: patience had run out as well."""
    stopper = make("max_steps(30) | patience(checks=2)", max_steps)
    watch(stopper, {10: 1.0, 20: 2.0, 30: 2.0})
    assert stopper.decision is not None
    assert stopper.decision.stop
    stopper.set_max_steps(100)
    stopper.lift_stop(30)
    decision = stopper.observe(Validation(40, 2.0))
    assert (decision.stop, decision.wait, decision.best_step) == (False, 1, 10)


def test_the_past_is_recalled_with_the_best_found_since() -> None:
    stopper = make()
    stopper.observe(Validation(10, 3.0))
    past = passed_on(stopper)
    watch(stopper, {20: 1.0, 30: 2.0})
    recalled = stopper.recall(past)
    assert (recalled["policy"]["best_step"], recalled["policy"]["best_value"]) == (20, 1.0)
    assert (
        stopper.recall({"policy": {}, "seconds": 0.0})["policy"]["best_step"] == 20
    )  # from before the first validation
    stopper.go_on_from(recalled)
    assert not stopper.observe(Validation(20, 1.5)).improved


def test_a_better_best_elsewhere_is_remembered_no_worse_one() -> None:
    stopper = make()
    stopper.observe(Validation(50, 2.0))
    for step, value in ((90, 3.0), (40, None), (70, 1.0), (95, float("nan"))):
        stopper.remember_best(step, value)
    assert (stopper.state()["policy"]["best_step"], stopper.observe(Validation(60, 1.5)).improved) == (70, False)


@pytest.mark.parametrize("cut", [1, 2, 3])
def test_a_state_brings_right_examples_to_the_next_process(cut: int) -> None:
    right = {step: read_pairs([i < step for i in range(20)], None) for step in (4, 6, 9, 13)}
    validations = [Validation(step, step / 20, 20, pairs=pairs) for step, pairs in right.items()]
    straight = make("paired_noise(3)", mode="max")
    decisions = [straight.observe(validation) for validation in validations]
    stopper = make("paired_noise(3)", mode="max")
    for validation in validations[:cut]:
        stopper.observe(validation)
    other = make("paired_noise(3)", mode="max")
    other.go_on_from(passed_on(stopper))
    assert [other.observe(validation) for validation in validations[cut:]] == decisions[cut:]
    assert [decision.wait for decision in decisions] == [0, 1, 0, 1]


@pytest.mark.parametrize(
    ("promotions", "waits_at", "words"),
    [
        (0, 1, "the run waits"),
        (1, None, "the run goes straight on, because it was promoted before"),
        (None, None, "the run goes straight on, because it is in no sweep that goes on"),
    ],
)
def test_at_a_rung_it_says_whether_the_run_waits(promotions: int | None, waits_at: int | None, words: str) -> None:
    """The ledger said of a fork, and of a run resumed after its sweep, that it waits; both went straight on."""
    stopper = make("patience(9) | successive_halving(20)", mode="max")
    stopper.promotions = promotions
    first, said = stopper.observe(Validation(10, 0.4)), stopper.observe(Validation(20, 0.5))
    assert first.rung is None
    assert (said.rung, stopper.rung) == (1, waits_at)
    assert said.verdicts[1].message == f"rung 1 at step 20: the best quarter go on; {words}"
    assert said.message.endswith(f"Rung 1 at step 20: the best quarter go on. T{words[1:]}.")
    assert stopper.observe(Validation(20, 0.5)) == said == stopper.decision
    resumed = make("patience(9) | successive_halving(20)", mode="max")
    resumed.go_on_from(passed_on(stopper))
    assert resumed.observe(Validation(20, 0.5)) == said
