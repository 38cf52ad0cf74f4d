"""Improvement that counts only while other metrics are within bounds."""

from __future__ import annotations

import math
from typing import Any

import pytest

from keepbest.errors import InvalidInput
from keepbest.status import StopReason
from keepbest.stopping import Decision, Mode, Policy, Require, Validation, build, parse
from keepbest.stopping.replay import RecordedRun, Status, as_taken, replay
from tests.support.watch import decisions_of

RECALL = 'require("recall >= 0.9", patience(2))'
#: A loss that falls to 0.2 with a recall of 0.5, and is best with enough recall at step 2.
VALIDATIONS = [
    Validation(step, value, metrics={"recall": recall})
    for step, value, recall in ((1, 0.5, 0.95), (2, 0.4, 0.9), (3, 0.3, 0.89), (4, 0.2, 0.5), (5, 0.1, 0.99))
]


def make(text: str, mode: Mode = "min") -> Policy:
    return build(parse(text), mode)


def judged(text: str, validations: list[Validation] = VALIDATIONS, mode: Mode = "min") -> list[Decision]:
    return decisions_of(make(text, mode), validations)


def test_a_validation_out_of_bounds_is_never_the_best() -> None:
    decisions = judged(RECALL)
    assert [d.wait for d in decisions] == [0, 0, 1, 2]
    assert [d.improved for d in decisions] == [True, True, False, False]
    assert [d.is_admitted for d in decisions] == [True, True, False, False]
    last = decisions[-1]
    assert (last.stop, last.reason, last.best_step, last.best_value) == (True, StopReason.PATIENCE, 2, 0.4)


def test_the_ledger_says_which_bound_was_broken() -> None:
    kept, broken = judged(RECALL)[1:3]
    assert [verdict.message for verdict in kept.verdicts] == ["0 of 2 checks without improvement", "recall >= 0.9"]
    assert broken.verdicts[1].message == "recall is 0.89, not >= 0.9"
    assert broken.message.endswith("best 0.4 at step 2. It cannot be the best: recall is 0.89, not >= 0.9.")


def test_the_selector_follows_wherever_the_bound_stands() -> None:
    """What is not inside `require` waits on raw values; the best must be within the bounds all the same."""
    decisions = judged('patience(3) | require("recall >= 0.9", max_steps(90))', VALIDATIONS[:4])
    assert [d.wait for d in decisions] == [0, 0, 0, 0]
    assert decisions[-1].best_step == 2


def test_in_the_shadow_a_bound_binds_nobody() -> None:
    decisions = judged(f"shadow({RECALL})")
    assert decisions[-1].best_step == 5
    assert [d.at_step for d in decisions if any(v.would_stop for v in d.verdicts)] == [4]


@pytest.mark.parametrize(
    ("condition", "metrics", "fault"),
    [
        ("a >= 1", {"a": 1}, None),
        ("a > 1", {"a": 1}, "a is 1, not > 1"),
        ("a <= -.5", {"a": -0.5}, None),
        ("a < 1e-3", {"a": 0.002}, "a is 0.002, not < 0.001"),
        ("a >= 1", {}, "a was not measured"),
        ("a >= 1", {"a": None}, "a was not measured"),
        ("a >= 1", {"a": math.nan}, "a is NaN, not >= 1"),
        ("a >= 1", {"a": "NaN"}, "a is NaN, not >= 1"),
        ("val/band width >= 1 and b<2", {"val/band width": 1, "b": 2}, "b is 2, not < 2"),
        ("a>=1 and a<=2", {"a": 0}, "a is 0, not >= 1"),
    ],
)
def test_bounds(condition: str, metrics: dict[str, Any], fault: str | None) -> None:
    policy = Require(mode="max", condition=condition, policies=(make("10", "max"),))
    assert policy.find_faults(Validation(1, 0.5, metrics=metrics)) == ([] if fault is None else [fault])
    assert policy.find_faults(Validation(1)) == []  # nothing was measured, so nothing is broken


@pytest.mark.parametrize(
    "condition", ["", "a", "a >= ", ">= 1", "a = 1", "a >= b", "a >= 1 or b > 2", "a >= 1 and", "x" * 501]
)
def test_what_is_no_bound_is_refused(condition: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        Require(mode="max", condition=condition, policies=(make("10", "max"),))
    assert caught.value.field == "condition"


@pytest.mark.parametrize(
    ("inner", "values", "stop"),
    [
        ("stopping_threshold(0.9)", [0.95, 0.95], None),  # the target is not reached out of bounds
        ("divergence_threshold(0.1)", [0.05], 1),  # and training that diverged still stops
        ("check_finite", [0.5, 0.6], None),  # out of bounds is not NaN
        ("check_finite", [math.nan], 1),
        ("noise_aware(2)", [0.5, 0.6], 2),
        ("generalization_loss", [0.5, 0.1], None),
        ("upcrossing(1, strip=1)", [0.5, 0.1], None),
    ],
)
def test_what_other_policies_make_of_validations_out_of_bounds(
    inner: str, values: list[float], stop: int | None
) -> None:
    validations = [Validation(step, value, n=100, metrics={"a": 0}) for step, value in enumerate(values, start=1)]
    last = judged(f'require("a > 0", {inner})', validations, "max")[-1]
    assert (last.at_step if last.stop else None, last.best_step) == (stop, None)


def test_a_replay_reads_the_recorded_metrics() -> None:
    record = RecordedRun(validations=VALIDATIONS, mode="min")
    found = replay(make(RECALL), record)
    assert (found.status, found.stop_step, found.best_step) == (Status.STOPPED, 4, 2)
    assert found.value_lost == pytest.approx(0.3)  # the price of the bound, for a run that had none
    lacking = replay(make('require("auc > 0", patience(2))'), record)
    assert (lacking.status, lacking.message) == (
        Status.INCONCLUSIVE,
        "The policy needs auc at each validation, which was not recorded.",
    )


def test_a_bound_of_the_run_holds_for_every_replayed_policy() -> None:
    record = as_taken(RecordedRun(validations=VALIDATIONS[:4], mode="min"), make(RECALL))
    found = replay(make("patience(1)"), record)
    assert (found.stop_step, found.best_step, found.value_lost) == (3, 2, 0.0)
