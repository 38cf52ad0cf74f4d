"""Policies over runs: the table, the front, the choice and its honest check."""

from __future__ import annotations

import math

import pytest

from keepbest.stopping import Patience
from keepbest.stopping.comparison import (
    Summary,
    choose,
    find_front,
    find_percentile,
    hold_out,
    recommend,
    say_share,
    summarize,
)
from keepbest.stopping.replay import PolicyOutcome, Status, replay
from tests.keepbest.stopping.test_replay import SEED

UNKNOWN = PolicyOutcome(status=Status.INCONCLUSIVE, message="")
ENDLESS = PolicyOutcome(status=Status.CENSORED, message="")


def stopped(share: float, lost: float | None = 0.0) -> PolicyOutcome:
    return PolicyOutcome(
        status=Status.STOPPED, message="", steps_saved=round(1000 * share), share_saved=share, value_lost=lost
    )


def row(share: float | None, lost: float | None, kept: int = 0) -> Summary:
    counts = {"runs": 1, "stopped": 1, "censored": 0, "inconclusive": 0, "kept_best": kept}
    return Summary(**counts, steps_saved=0, share_saved=share, seconds_saved=None, lost=lost)


@pytest.mark.parametrize(
    ("values", "share", "found"),
    [
        ([], 0.9, None),
        ([3.0], 0.9, 3.0),
        (list(range(10)), 0.9, 8),  # one bad run of ten is borne
        (list(range(9)), 0.9, 8),
        (list(range(20)), 0.9, 17),
        ([1.0, math.inf], 0.5, 1.0),
    ],
)
def test_percentiles_are_actual_runs(values: list[float], share: float, found: float | None) -> None:
    assert find_percentile(values, share) == found


@pytest.mark.parametrize(
    ("outcomes", "counts", "saved", "lost"),
    [
        # Counted as 0 saved, the run that somebody ended made this 0.2.
        ([stopped(0.4, 0.01), stopped(0.2), ENDLESS, UNKNOWN], (4, 2, 1, 1, 1), 0.3, 0.01),
        # And this, over a record that was ended early twice, saved nothing.
        ([stopped(0.3), ENDLESS, ENDLESS], (3, 1, 2, 0, 1), 0.3, 0.0),
        # Nine records that end at once hid the run that loses.
        ([stopped(0.5, 0.2), *[ENDLESS] * 9], (10, 1, 9, 0, 0), 0.5, 0.2),
        ([ENDLESS, ENDLESS], (2, 0, 2, 0, 0), None, None),
        ([stopped(0.0), stopped(-0.2)], (2, 2, 0, 0, 2), -0.1, 0.0),
    ],
)
def test_censored_runs_are_counted_and_left_out_of_savings(
    outcomes: list[PolicyOutcome], counts: tuple[int, ...], saved: float | None, lost: float | None
) -> None:
    found = summarize(outcomes)
    assert (found.runs, found.stopped, found.censored, found.inconclusive, found.kept_best) == counts
    assert (found.lost, found.seconds_saved) == (lost, None)
    assert found.share_saved == (None if saved is None else pytest.approx(saved))


def test_a_summary_of_nothing_known() -> None:
    found = summarize([UNKNOWN])
    assert (found.share_saved, found.lost, found.kept_best) == (None, None, 0)


def test_nothing_kept_is_an_infinite_loss() -> None:
    assert summarize([stopped(0.9, None)]).lost == math.inf


@pytest.mark.parametrize(
    ("points", "front"),
    [
        ([(0.6, 0.7), (0.4, 0.6), (0.05, 0.0), (0.03, 0.0), (0.4, 0.7)], {0, 1, 2}),
        ([(0.5, 0.0), (0.5, 0.0)], {0, 1}),
        ([(None, None), (0.1, 0.3)], {1}),
        ([], set()),
    ],
)
def test_the_front(points: list[tuple[float | None, float | None]], front: set[int]) -> None:
    assert find_front([row(*point) for point in points]) == front


@pytest.mark.parametrize(
    ("rows", "tolerate", "place"),
    [
        ([row(0.6, 0.7), row(0.05, 0.0), row(0.03, 0.0)], 0.0, 1),
        ([row(0.6, 0.7), row(0.05, 0.0)], 0.7, 0),
        ([row(0.6, 0.7), row(0.5, 0.3)], 0.0, 1),  # none within: the least lost
        ([row(0.3, 0.0, kept=8), row(0.3, 0.0, kept=9)], 0.0, 1),
        ([row(0.3, 0.0), row(0.3, 0.0)], 0.0, 0),
        ([row(None, None)], 0.0, None),
        ([], 0.0, None),
    ],
)
def test_the_choice(rows: list[Summary], tolerate: float, place: int | None) -> None:
    assert choose(rows, tolerate) == place


def test_a_choice_that_only_fits_its_own_runs_is_found_out() -> None:
    """Each policy is perfect on all runs but its own; chosen without a run, it is the one that fails there."""
    runs = range(3)
    table = [[stopped(0.5, 0.1) if run == policy else stopped(0.5) for run in runs] for policy in runs]
    found = hold_out(table, 0.0)
    assert found is not None
    assert (found.runs, found.kept_best) == (3, 0)
    assert hold_out([[stopped(0.5)]], 0.0) is None


def test_the_tutorials_answer() -> None:
    """Is 1000 enough? 700 gives the same model 300 steps sooner, 600 costs 0.6 points."""
    steps = (200, 600, 700, 1000, 2000)
    table = [[replay(Patience(mode="max", steps=patience), SEED)] for patience in steps]
    found = recommend([f"{patience}steps" for patience in steps], table)
    assert found.place == 2
    assert found.message.startswith(
        "700steps would have kept the same best and saved 5 % of the steps. The choice was made on one run"
    )
    generous = recommend([f"{patience}steps" for patience in steps], table, tolerate=0.006)
    assert generous.place == 1
    # It said "would have kept the same best" of a policy that kept it in no run.
    assert generous.message.startswith("600steps would have lost 0.006 and saved 47 % of the steps.")


@pytest.mark.parametrize(
    ("table", "place", "says"),
    [
        ([[stopped(0.31)] * 9 + [stopped(0.5, 0.2)]], 0, "the same best in 9 of 10 runs and saved 31 % of the steps."),
        (
            [[stopped(0.3)] * 2 + [ENDLESS]],
            0,
            "saved 30 % of the steps. In 1 of 3 it would not have stopped",
        ),
        ([[stopped(0.3)] * 2], 0, "the choice kept the best in 2 of 2 and saved 30 % of the steps."),
        ([[stopped(0.3, 0.1), stopped(0.3)]], None, "No policy keeps the best. a comes nearest"),
        ([[stopped(0.3, None)]], None, "loses value here, all of it"),
        ([[ENDLESS, ENDLESS]], None, "what the policies would save is not known"),
        ([[stopped(0.9), ENDLESS]], 0, "the choice stopped no run: replay more runs."),
        ([[stopped(0.9), ENDLESS, ENDLESS]], None, "what the policies would save is not known"),
        # 10checks is 1000steps one step earlier: it was recommended, for "0 % of the steps" saved.
        (
            [[stopped(1 / 7001)]],
            None,
            "No policy here saves enough to matter: of those that keep the best, a",
        ),
        (
            [[stopped(1 / 7001)]],
            None,
            "a saves the most, 0.014 % of the steps. The runs' own stopper is",
        ),
        ([[stopped(0.00999)]], None, "a saves the most, 0.99 % of the steps."),
        ([[stopped(0.0), stopped(0.0)]], None, "none saves a step. The runs' own stopper is as good."),
        ([[stopped(-0.3)]], None, "none saves a step."),
        ([[stopped(0.01)]], 0, "saved 1 % of the steps."),
        ([[UNKNOWN]], None, "No policy can be replayed"),
        ([], None, "No policy can be replayed"),
    ],
)
def test_the_recommendation_gives_its_reason(table: list[list[PolicyOutcome]], place: int | None, says: str) -> None:
    found = recommend(["a"], table)
    assert found.place == place
    assert says in found.message


def test_a_policy_that_is_known_in_few_runs_is_not_preferred() -> None:
    often, seldom = [stopped(0.2)] * 3, [stopped(0.9), ENDLESS, ENDLESS]
    assert recommend(["seldom", "often"], [seldom, often]).place == 1
    # The message was "No policy keeps the best" beside a row that kept it in the one run where it stopped.
    often = [stopped(0.2, 0.1)] * 3
    message = recommend(["seldom", "often"], [seldom, often]).message
    assert message.startswith("No policy that stops in most of the runs keeps the best. often comes nearest")


@pytest.mark.parametrize(
    ("share", "said"),
    [
        (None, "0 %"),
        (0.0, "0 %"),
        (1 / 7001, "0.014 %"),
        (0.0051, "0.51 %"),
        (0.00999, "0.99 %"),
        (0.01, "1 %"),
        (0.056, "6 %"),
        (-0.0051, "-0.51 %"),
        (-0.4, "-40 %"),
    ],
)
def test_shares_are_not_rounded_to_nothing(share: float | None, said: str) -> None:
    assert say_share(share) == said
