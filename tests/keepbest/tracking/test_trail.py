"""A best that turns out to be none: what was judged since is judged anew, as if its value had not been finite."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keepbest.status import StopReason
from keepbest.stopping import Validation, parse
from keepbest.tracking.stopper import Stopper

PATIENT = "patience(checks=2)"


def make(policy: str = PATIENT, mode: Any = "max", max_steps: int | None = None) -> Stopper:
    stopper = Stopper(parse(policy), mode, max_steps, clock=lambda: 0.0)
    stopper.is_checked = True
    return stopper


def watch(stopper: Stopper, values: Sequence[float], first: int = 1) -> None:
    for step, value in enumerate(values, first):
        stopper.observe(Validation(step, value))


def memory(stopper: Stopper) -> Any:
    """Return what a stopper goes on from, without the words of its last decision."""
    policy = stopper.state()["policy"]
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
    stopper = make()
    watch(stopper, values)
    decision = stopper.withdraw(gone, values[gone - 1], "dense became NaN")
    assert decision is not None
    assert (decision.best_step, decision.best_value, decision.wait) == (*best, wait)
    assert (decision.at_step if decision.stop else None) == stops_at
    assert decision == stopper.decision


def test_what_is_confirmed_or_withdrawn_already_stays_as_it_is() -> None:
    stopper = make()
    watch(stopper, [0.5, 0.6, 0.9])
    stopper.confirm(2, 0.6)
    assert stopper.withdraw(2, 0.6, "late") is None
    assert stopper.withdraw(1, 0.5, "those before it were sound too") is None
    assert stopper.withdraw(3, 0.8, "another value") is None
    assert stopper.withdraw(3, 0.9, "NaN") is not None
    assert stopper.withdraw(3, 0.9, "said twice") is None
    assert stopper.state()["policy"]["best_step"] == 2


def test_one_after_the_other_goes_back_as_far_as_it_must() -> None:
    stopper = make("patience(checks=5)")
    watch(stopper, [0.5, 0.6, 0.7, 0.6])
    stopper.confirm(1, 0.5)
    for step, value, best in ((3, 0.7, 2), (2, 0.6, 1)):
        decision = stopper.withdraw(step, value, "NaN")
        assert decision is not None
        assert decision.best_step == best
    assert stopper.decision is not None
    assert stopper.decision.wait == 3


def test_check_finite_stops_at_the_withdrawn_validation() -> None:
    stopper = make("patience(checks=9) | check_finite()")
    watch(stopper, [0.5, 0.9, 0.4])
    decision = stopper.withdraw(2, 0.9, "dense/kernel became NaN")
    assert decision is not None
    assert (decision.stop, decision.at_step, decision.reason) == (True, 2, StopReason.NON_FINITE)
    assert stopper.deadline() == 2  # so that training notices between two validations


def test_states_that_were_kept_meanwhile_are_set_right() -> None:
    stopper, straight = make("patience(checks=9)"), make("patience(checks=9)")
    kept = []
    for step, value in enumerate([0.5, 0.9, 0.7], 1):
        stopper.observe(Validation(step, value))
        kept.append(stopper.state())
    stopper.withdraw(2, 0.9, "NaN")
    watch(straight, [0.5, math.nan, math.nan])
    assert stopper.settle(kept[0]) == kept[0]
    for state in (kept[2], stopper.recall(kept[2])):
        settled = stopper.settle(state)["policy"]
        assert (settled["memory"], settled["best_step"]) == (straight.state()["policy"]["memory"], 1)


def test_what_was_changed_on_the_way_is_changed_again() -> None:
    """A roll back to the step before, a new last step, patience begun anew: all between the best and its withdrawal."""
    stopper = make("patience(checks=3)", max_steps=50)
    stopper.observe(Validation(1, 0.5))
    before = stopper.state()
    watch(stopper, [0.9, 0.4], 2)
    stopper.go_on_from(stopper.recall(before), keep_seconds=True)
    stopper.set_max_steps(60)
    stopper.restart_patience(1)
    watch(stopper, [0.3, 0.2], 2)
    assert stopper.state()["policy"]["best_step"] == 2  # a run's best outlives a roll back
    decision = stopper.withdraw(2, 0.9, "NaN")
    assert decision is not None
    assert (decision.best_step, decision.wait, stopper.deadline()) == (1, 2, 60)
    assert decision.verdicts[0].wait == 2


def test_nothing_is_noted_while_nobody_checks() -> None:
    stopper = make()
    stopper.is_checked = False
    watch(stopper, [0.5, 0.9])
    assert stopper.withdraw(2, 0.9, "NaN") is None


@given(
    st.lists(st.sampled_from([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, math.nan]), min_size=1, max_size=8),
    st.sampled_from([PATIENT, "patience(steps=3)", "patience(checks=4) | check_finite()", "generalization_loss(5)"]),
)
def test_withdrawing_the_last_best_is_as_if_it_had_been_nan(values: list[float], policy: str) -> None:
    """The law: nothing but that value is otherwise, where no validation after it was kept."""
    stopper, straight = make(policy), make(policy)
    watch(stopper, values)
    best, value = stopper.state()["policy"]["best_step"], stopper.state()["policy"]["best_value"]
    if best is None:
        return
    stopper.withdraw(best, value, "NaN")
    for step, seen in enumerate(values, 1):
        straight.observe(Validation(step, math.nan if step >= best else seen))
    assert stopper.state()["policy"]["best_step"] == straight.state()["policy"]["best_step"]
    own = stopper.state()["policy"]["best_value"]
    assert own is None or all(not one > own for one in values[: best - 1])
