"""The judge: a last step that moves, stops that are lifted, states from before and after."""

from __future__ import annotations

import json
from typing import Any

import pytest

from keepbest.errors import MetricMissing, PolicyError
from keepbest.status import StopReason
from keepbest.stopping import parse, read_pairs
from keepbest.tracking.stopper import Stopper


def make(stopper: str = "patience(checks=3)", max_steps: int | None = None, mode: Any = "min") -> Stopper:
    return Stopper(parse(stopper), mode, max_steps, clock=lambda: 0.0)


def passed_on(judge: Stopper) -> dict[str, Any]:
    """Return the state as it comes back from a checkpoint."""
    state: dict[str, Any] = json.loads(json.dumps(judge.state(), allow_nan=False))
    return state


def watch(judge: Stopper, values: dict[int, float]) -> None:
    for step, value in values.items():
        judge.observe(step, value)


@pytest.mark.parametrize("before", [None, 50, 10_000])
def test_a_last_step_may_move_either_way_and_the_wait_goes_on(before: int | None) -> None:
    judge = make(max_steps=before)
    watch(judge, {10: 1.0, 20: 2.0})
    judge.set_max_steps(100)
    assert (judge.deadline(), judge.max_steps) == (100, 100)
    assert judge.observe(30, 2.0).wait == 2
    assert judge.observe(100, None).reason is StopReason.MAX_STEPS


@pytest.mark.parametrize(("before", "after"), [(None, 500), (500, None), (500, 200), (None, None)])
def test_a_state_fits_whatever_the_last_step_was_then(before: int | None, after: int | None) -> None:
    """A local run that went back with a last step, resumed by a script that says none."""
    first, second = make(max_steps=before), make(max_steps=after)
    watch(first, {10: 1.0, 20: 2.0})
    second.go_on_from(passed_on(first))
    assert second.deadline() == after
    decision = second.observe(30, 3.0)
    assert (decision.best_step, decision.wait) == (10, 2)


def test_a_state_of_another_policy_does_not_fit() -> None:
    judge, other = make(max_steps=5), make("patience(checks=3) | check_finite()", 5)
    before = judge.state()
    for take in (judge.go_on_from, judge.recall):
        with pytest.raises(PolicyError, match="This state was written by"):
            take(other.state())
    assert judge.state() == before


@pytest.mark.parametrize(
    "stopper",
    [
        "max_steps(40)",
        "patience(checks=3) | max_steps(40)",
        "3 | (9 | max_steps(40))",
        'require("a > 0", 3 | max_steps(40))',
    ],
)
def test_a_last_step_in_the_stopper_itself_moves_too(stopper: str) -> None:
    judge = make(stopper)
    judge.observe(10, 1.0, metrics={"a": 1.0})
    judge.set_max_steps(90)
    assert judge.deadline() == 90


def test_a_metric_that_is_not_there_is_missed_at_the_first_validation() -> None:
    judge = make('require("recal > 0", patience(3))')
    with pytest.raises(MetricMissing, match="The stopper reads recal; there are loss, recall"):
        judge.observe(10, 1.0, metrics={"loss": 0.5, "recall": 0.9})
    assert not judge.observe(5, None).stop
    assert judge.observe(10, 1.0, metrics={"recal": 0.9}).improved
    assert not judge.observe(20, 0.5, metrics={}).is_admitted  # later on it only does not count


def test_one_that_waits_for_others_stays() -> None:
    judge = make("patience(steps=10) & max_steps(40)")
    judge.observe(10, 1.0)
    judge.set_max_steps(90)
    assert judge.deadline() == 40  # both said so: not before that step


def test_the_last_step_may_move_before_the_mode_is_known() -> None:
    judge = make("patience(steps=30) | max_steps(40)", mode=None)
    judge.set_max_steps(900)
    judge.restart_patience(500)
    assert judge.deadline() is None
    judge.set_mode("max")
    assert judge.deadline() == 531


def test_a_stop_by_the_old_last_step_alone_is_lifted_and_the_wait_goes_on() -> None:
    judge = make(max_steps=30)
    watch(judge, {10: 1.0, 20: 2.0, 30: 2.0})
    assert judge.decision is not None
    assert judge.decision.reason is StopReason.MAX_STEPS
    judge.set_max_steps(100)
    judge.lift_stop(30)
    assert judge.decision is None or not judge.decision.stop
    assert judge.deadline() == 100
    decision = judge.observe(40, 2.0)
    assert (decision.stop, decision.reason, decision.wait) == (True, StopReason.PATIENCE, 3)


@pytest.mark.parametrize("max_steps", [30, None])
def test_a_stop_by_patience_is_lifted_with_patience_anew(max_steps: int | None) -> None:
    """With a last step at the same validation: patience had run out as well."""
    judge = make("max_steps(30) | patience(checks=2)", max_steps)
    watch(judge, {10: 1.0, 20: 2.0, 30: 2.0})
    assert judge.decision is not None
    assert judge.decision.stop
    judge.set_max_steps(100)
    judge.lift_stop(30)
    decision = judge.observe(40, 2.0)
    assert (decision.stop, decision.wait, decision.best_step) == (False, 1, 10)


def test_the_past_is_recalled_with_the_best_found_since() -> None:
    judge = make()
    judge.observe(10, 3.0)
    past = passed_on(judge)
    watch(judge, {20: 1.0, 30: 2.0})
    recalled = judge.recall(past)
    assert (recalled["policy"]["best_step"], recalled["policy"]["best_value"]) == (20, 1.0)
    assert judge.recall({"policy": {}, "seconds": 0.0})["policy"]["best_step"] == 20  # from before the first validation
    judge.go_on_from(recalled)
    assert not judge.observe(20, 1.5).improved


def test_a_better_best_elsewhere_is_remembered_a_worse_one_is_not() -> None:
    judge = make()
    judge.observe(50, 2.0)
    for step, value in ((90, 3.0), (40, None), (70, 1.0), (95, float("nan"))):
        judge.remember_best(step, value)
    assert (judge.state()["policy"]["best_step"], judge.observe(60, 1.5).improved) == (70, False)


@pytest.mark.parametrize("cut", [1, 2, 3])
def test_a_state_brings_the_examples_that_were_right_to_the_next_process(cut: int) -> None:
    validations = [(step, step / 20, [i < step for i in range(20)]) for step in (4, 6, 9, 13)]
    straight = make("paired_noise(3)", mode="max")
    decisions = [straight.observe(step, value, 20, pairs=read_pairs(right, None)) for step, value, right in validations]
    judge = make("paired_noise(3)", mode="max")
    for step, value, right in validations[:cut]:
        judge.observe(step, value, 20, pairs=read_pairs(right, None))
    other = make("paired_noise(3)", mode="max")
    other.go_on_from(passed_on(judge))
    assert [
        other.observe(step, value, 20, pairs=read_pairs(right, None)) for step, value, right in validations[cut:]
    ] == decisions[cut:]
    assert [decision.wait for decision in decisions] == [0, 1, 0, 1]


@pytest.mark.parametrize(
    ("promotions", "waits_at", "words"),
    [
        (0, 1, "the run waits"),
        (1, None, "the run goes straight on, for it was let past before"),
        (None, None, "the run goes straight on, for it is in no sweep that goes on"),
    ],
)
def test_at_a_rung_it_says_whether_the_run_waits(promotions: int | None, waits_at: int | None, words: str) -> None:
    """The ledger said of a fork, and of a run resumed after its sweep, that it waits; both went straight on."""
    judge = make("patience(9) | successive_halving(20)", mode="max")
    judge.promotions = promotions
    first, said = judge.observe(10, 0.4), judge.observe(20, 0.5)
    assert first.rung is None
    assert (said.rung, judge.rung) == (1, waits_at)
    assert said.verdicts[1].message == f"rung 1 at step 20: the best quarter go on; {words}"
    assert said.message.endswith(f"Rung 1 at step 20: the best quarter go on. T{words[1:]}.")
    assert judge.observe(20, 0.5) == said == judge.decision
    resumed = make("patience(9) | successive_halving(20)", mode="max")
    resumed.go_on_from(passed_on(judge))
    assert resumed.observe(20, 0.5) == said
