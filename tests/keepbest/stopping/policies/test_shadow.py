"""Policies in the shadow: they say where they would stop, and decide nothing."""

from __future__ import annotations

import pytest

from keepbest.stopping import Policy, Validation, build, parse
from keepbest.stopping.replay import RecordedRun, Status, as_taken, replay
from tests.support.watch import decisions_of, validations_of

VALUES = [0.5, 0.6, 0.5, 0.4, 0.3, 0.7, 0.1]


def make(text: str) -> Policy:
    return build(parse(text), "max")


def test_it_says_so_once_and_goes_on() -> None:
    decisions = decisions_of(make("shadow(patience(2)) | check_finite"), validations_of(VALUES, every=10))
    assert len(decisions) == len(VALUES)
    assert not any(decision.stop for decision in decisions)
    assert [d.at_step for d in decisions if any(v.would_stop for v in d.verdicts)] == [40]
    assert decisions[3].verdicts[0].message == "would stop here: no improvement for 2 checks (patience 2 checks)"
    assert decisions[4].verdicts[0].message == "would have stopped at step 40"
    assert decisions[-1].best_step == 60


def test_the_row_of_the_ledger_says_it_beside_what_decides() -> None:
    said = decisions_of(make("patience(5) | shadow(patience(2))"), validations_of(VALUES))[3]
    first, second = said.message.split(". In the shadow, ")
    assert first == "Step 4: 0.4; 2 of 5 checks without improvement; best 0.6 at step 2"
    assert second == "patience would stop here: no improvement for 2 checks (patience 2 checks)."
    assert (said.wait, said.patience_left) == (2, 3)


def test_the_patience_of_a_shadow_is_not_the_runs() -> None:
    said = decisions_of(make("shadow(patience(5))"), validations_of(VALUES))[0]
    assert (said.wait, said.patience_left, said.unit, said.reason) == (None, None, None, None)
    assert said.message == "Step 1: 0.5 is the best so far; shadow: 0 of 5 checks without improvement."


def test_between_two_validations_it_would_not_have_seen_the_next() -> None:
    """0.9 at step 20 comes too late for patience(steps=5), whose run would have ended at 11."""
    policy = make("shadow(patience(steps=5))")
    decisions = decisions_of(policy, [Validation(5, 0.5), Validation(20, 0.9), Validation(30, 0.1)])
    assert decisions[1].verdicts[0].message == "would stop at step 11: no improvement for 6 steps (patience 5 steps)"
    assert decisions[1].best_step == 20
    assert policy.deadline(policy.start()) is None


@pytest.mark.parametrize(
    ("inner", "stop"),
    [("patience(2)", 40), ("patience(steps=15)", 36), ("patience(50)", None), ("patience(2) | max_steps(30)", 30)],
)
def test_a_replay_over_its_run_sees_past_its_stop(inner: str, stop: int | None) -> None:
    validations = validations_of(VALUES, every=10)
    record = as_taken(RecordedRun(validations=validations, mode="max"), make(f"shadow({inner}) | check_finite"))
    assert record.own_stop == stop
    later = replay(make("patience(3)"), record)
    assert (later.status, later.stop_step) == (Status.STOPPED, 50)
    assert later.steps_saved == (70 if stop is None else stop) - 50


@pytest.mark.parametrize(
    "stopper",
    ["patience(2) & max_steps(2)", "patience(5) | shadow(patience(2))", "shadow(patience(2)) | noise_aware"],
)
def test_what_decides_ended_its_record_itself(stopper: str) -> None:
    """Regression: with `--stop patience(5) --shadow patience(2)` savings counted from where the shadow would end it."""
    record = RecordedRun(validations=validations_of(VALUES), mode="max")
    assert as_taken(record, make(stopper)) is record


@pytest.mark.parametrize("limit", ["max_steps(90)", "stopping_threshold(2)", "reduce_on_plateau(9) | max_steps(90)"])
def test_beside_mere_limits_the_shadow_is_the_runs_own(limit: str) -> None:
    record = as_taken(
        RecordedRun(validations=validations_of(VALUES, every=10), mode="max"), make(f"shadow(patience(2)) | {limit}")
    )
    assert record.own_stop == 40


def test_patience_begun_anew_may_say_it_again() -> None:
    policy = make("shadow(patience(1))")
    state = policy.start()
    for validation in validations_of([0.5, 0.4]):
        state, decision = policy.observe(state, validation)
    assert decision.verdicts[0].would_stop
    state, decision = policy.observe(policy.restart_patience(state, 2), Validation(3, 0.4))
    assert decision.verdicts[0].would_stop
