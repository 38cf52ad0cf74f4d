"""A best that turns out to be none: what was judged since is judged anew, as if its value had not been finite."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keepbest.status import StopReason
from keepbest.stopping import parse
from keepbest.tracking.stopper import Stopper

PATIENT = "patience(checks=2)"


def make(stopper: str = PATIENT, mode: Any = "max", max_steps: int | None = None) -> Stopper:
    judge = Stopper(parse(stopper), mode, max_steps, clock=lambda: 0.0)
    judge.is_checked = True
    return judge


def watch(judge: Stopper, values: Sequence[float], first: int = 1) -> None:
    for step, value in enumerate(values, first):
        judge.observe(step, value)


def memory(judge: Stopper) -> Any:
    """Return what a stopper goes on from, without the words of its last decision."""
    policy = judge.state()["policy"]
    return policy["memory"], policy["best_step"], policy["best_value"]


@pytest.mark.parametrize(
    ("values", "gone", "best", "wait", "stops_at"),
    [
        ([0.5, 0.9], 2, (1, 0.5), 1, None),
        ([0.5, 0.9, 0.4], 2, (1, 0.5), 2, 3),  # patience has run out meanwhile
        ([0.5, 0.6, 0.9, 0.95], 3, (4, 0.95), 0, None),  # a later best stays
        ([0.5, 0.6, 0.9, 0.95], 4, (3, 0.9), 1, None),
        ([0.9], 1, (None, None), 1, None),  # there was no other
        ([0.5, 0.9, 0.8], 2, (1, 0.5), 2, 3),  # 0.8 beats 0.5, but nothing was kept of it
        ([0.5, 0.9, 0.8, 0.95], 2, (1, 0.5), 2, 3),  # it would have stopped before the last
    ],
)
def test_a_withdrawn_best_counts_as_not_finite(
    values: list[float], gone: int, best: tuple[int | None, float | None], wait: int, stops_at: int | None
) -> None:
    judge = make()
    watch(judge, values)
    decision = judge.withdraw(gone, values[gone - 1], "dense became NaN")
    assert decision is not None
    assert (decision.best_step, decision.best_value, decision.wait) == (*best, wait)
    assert (decision.at_step if decision.stop else None) == stops_at
    assert decision == judge.decision


def test_what_is_confirmed_or_withdrawn_already_stays_as_it_is() -> None:
    judge = make()
    watch(judge, [0.5, 0.6, 0.9])
    judge.confirm(2, 0.6)
    assert judge.withdraw(2, 0.6, "late") is None
    assert judge.withdraw(1, 0.5, "those before it were sound too") is None
    assert judge.withdraw(3, 0.8, "another value") is None
    assert judge.withdraw(3, 0.9, "NaN") is not None
    assert judge.withdraw(3, 0.9, "said twice") is None
    assert judge.state()["policy"]["best_step"] == 2


def test_one_after_the_other_goes_back_as_far_as_it_must() -> None:
    judge = make("patience(checks=5)")
    watch(judge, [0.5, 0.6, 0.7, 0.6])
    judge.confirm(1, 0.5)
    for step, value, best in ((3, 0.7, 2), (2, 0.6, 1)):
        decision = judge.withdraw(step, value, "NaN")
        assert decision is not None
        assert decision.best_step == best
    assert judge.decision is not None
    assert judge.decision.wait == 3


def test_check_finite_stops_at_the_withdrawn_validation() -> None:
    judge = make("patience(checks=9) | check_finite()")
    watch(judge, [0.5, 0.9, 0.4])
    decision = judge.withdraw(2, 0.9, "dense/kernel became NaN")
    assert decision is not None
    assert (decision.stop, decision.at_step, decision.reason) == (True, 2, StopReason.NON_FINITE)
    assert judge.deadline() == 2  # so that training notices between two validations


def test_states_that_were_kept_meanwhile_are_set_right() -> None:
    judge, straight = make("patience(checks=9)"), make("patience(checks=9)")
    kept = []
    for step, value in enumerate([0.5, 0.9, 0.7], 1):
        judge.observe(step, value)
        kept.append(judge.state())
    judge.withdraw(2, 0.9, "NaN")
    watch(straight, [0.5, math.nan, math.nan])
    assert judge.settle(kept[0]) == kept[0]
    for state in (kept[2], judge.recall(kept[2])):
        settled = judge.settle(state)["policy"]
        assert (settled["memory"], settled["best_step"]) == (straight.state()["policy"]["memory"], 1)


def test_what_was_changed_on_the_way_is_changed_again() -> None:
    """A roll back to the step before, a new last step, patience begun anew: all between the best and its withdrawal."""
    judge = make("patience(checks=3)", max_steps=50)
    judge.observe(1, 0.5)
    before = judge.state()
    watch(judge, [0.9, 0.4], 2)
    judge.go_on_from(judge.recall(before), keep_seconds=True)
    judge.set_max_steps(60)
    judge.restart_patience(1)
    watch(judge, [0.3, 0.2], 2)
    assert judge.state()["policy"]["best_step"] == 2  # a run's best outlives a roll back
    decision = judge.withdraw(2, 0.9, "NaN")
    assert decision is not None
    assert (decision.best_step, decision.wait, judge.deadline()) == (1, 2, 60)
    assert decision.verdicts[0].wait == 2


def test_nothing_is_noted_while_nobody_checks() -> None:
    judge = make()
    judge.is_checked = False
    watch(judge, [0.5, 0.9])
    assert judge.withdraw(2, 0.9, "NaN") is None


@given(
    st.lists(st.sampled_from([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, math.nan]), min_size=1, max_size=8),
    st.sampled_from([PATIENT, "patience(steps=3)", "patience(checks=4) | check_finite()", "generalization_loss(5)"]),
)
def test_withdrawing_the_last_best_is_as_if_it_had_been_nan(values: list[float], stopper: str) -> None:
    """The law: nothing but that value is otherwise, where no validation after it was kept."""
    judge, straight = make(stopper), make(stopper)
    watch(judge, values)
    best, value = judge.state()["policy"]["best_step"], judge.state()["policy"]["best_value"]
    if best is None:
        return
    judge.withdraw(best, value, "NaN")
    for step, seen in enumerate(values, 1):
        straight.observe(step, math.nan if step >= best else seen)
    assert judge.state()["policy"]["best_step"] == straight.state()["policy"]["best_step"]
    own = judge.state()["policy"]["best_value"]
    assert own is None or all(not one > own for one in values[: best - 1])
