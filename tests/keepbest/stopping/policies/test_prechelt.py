"""Prechelt's criteria as tables of numbers."""

from __future__ import annotations

import math

import pytest

from keepbest.status import StopReason
from keepbest.stopping import GeneralizationLoss, Mode, Policy, ProgressQuotient, Upcrossing, Validation
from keepbest.stopping.policies.prechelt import find_error, find_progress, loss_of
from tests.support.seed_record import VALIDATIONS
from tests.support.watch import decisions_of, stop_of, validations_of

NAN, INF = math.nan, math.inf


@pytest.mark.parametrize(
    ("value", "mode", "perfect", "error"),
    [
        (0.75, "max", None, 0.25),
        (98.0, "max", 100.0, 2.0),
        (98.0, "max", None, None),  # beyond perfect: percent where a share was expected
        (0.25, "min", None, 0.25),
        (0.25, "min", 0.2, pytest.approx(0.05)),
        (-0.1, "min", None, None),
        (NAN, "max", None, None),
        (-INF, "max", None, None),
        (None, "max", None, None),
    ],
)
def test_the_error_is_the_distance_from_perfect(
    value: float | None, mode: Mode, perfect: float | None, error: float | None
) -> None:
    assert find_error(value, mode, perfect) == error


@pytest.mark.parametrize(("error", "lowest", "loss"), [(2.0, 2.0, 0.0), (3.0, 2.0, 50.0), (0.0, 0.0, 0.0), (1, 0, INF)])
def test_generalization_loss_in_percent(error: float, lowest: float, loss: float) -> None:
    assert loss_of(error, lowest) == loss


@pytest.mark.parametrize(
    ("losses", "progress"),
    [([1.0, 1.0], 0.0), ([1.2, 1.0, 1.1], pytest.approx(100)), ([0.0, 0.0], 0.0), ([0.0, 1.0], None), ([], None)],
)
def test_progress_in_thousandths(losses: list[float], progress: float | None) -> None:
    assert find_progress(losses) == progress


@pytest.mark.parametrize(("alpha", "stop"), [(1, 1800), (2, 1800), (3, 1800), (5, 2000), (20, 3400), (60, None)])
def test_generalization_loss_on_the_tutorials_record(alpha: float, stop: int | None) -> None:
    """At 98 % accuracy a tenth of a point is 5 % of the error: none of them ever sees the best, 98.8 at 4800."""
    last = decisions_of(GeneralizationLoss(mode="max", alpha=alpha, perfect=100), VALIDATIONS)[-1]
    assert (last.at_step if last.stop else None) == stop


@pytest.mark.parametrize(
    ("policy", "values", "stop"),
    [
        (GeneralizationLoss(mode="min", alpha=50), [1.0, 1.5, 1.51], 3),  # strictly above
        (GeneralizationLoss(mode="min", alpha=50), [1.0, None, NAN, INF, 1.2, 0.8, 1.21], 7),
        (GeneralizationLoss(mode="min", alpha=50), [0.0, 0.0, 1e-9], 3),
        (GeneralizationLoss(mode="max", alpha=1), [98.0, 50.0, 10.0], None),  # percent, but perfect is 1
        (Upcrossing(mode="min", times=2, strip=1), [3, 2, 3, 2, 3, 4], 6),
        (Upcrossing(mode="min", times=2, strip=1), [3, 4, 4, 5, 6], 5),  # a tie begins anew
        (Upcrossing(mode="min", times=1, strip=2), [9, 3, 9, 3, 0, 4], 6),  # ends of strips only
        (Upcrossing(mode="min", times=1, strip=1), [3, NAN, 4, 5], 4),  # NaN at an end begins anew
        (Upcrossing(mode="min", times=1, strip=2), [3, 3, NAN, 4], 4),
        (Upcrossing(mode="max", times=1, strip=1), [3, 4, 5], None),
        (Upcrossing(mode="min", times=1, strip=2), [1, None, 2, 3, None, 3], 6),
    ],
)
def test_on_small_records(policy: Policy, values: list[float | None], stop: int | None) -> None:
    assert stop_of(policy, values) == stop


@pytest.mark.parametrize(("times", "strip", "stop"), [(1, 1, 1800), (2, 1, 2100), (3, 1, None), (1, 5, None)])
def test_upcrossing_on_the_tutorials_record(times: int, strip: int, stop: int | None) -> None:
    last = decisions_of(Upcrossing(mode="max", times=times, strip=strip), VALIDATIONS)[-1]
    assert (last.at_step if last.stop else None) == stop


def quotient(values: list[float], trains: list[float | None], alpha: float = 0.5, strip: int = 2) -> int | None:
    validations = [
        Validation(i, value, train=train) for i, (value, train) in enumerate(zip(values, trains, strict=True), start=1)
    ]
    last = decisions_of(ProgressQuotient(mode="min", alpha=alpha, strip=strip), validations)[-1]
    assert not last.stop or last.reason is StopReason.PROGRESS_QUOTIENT
    return last.at_step if last.stop else None


@pytest.mark.parametrize(
    ("values", "trains", "stop"),
    [
        # GL 20 % at the second end; the training loss fell by half: P = 500, PQ = 0.04.
        ([1.0, 1.0, 1.2, 1.2], [4.0, 3.0, 2.0, 1.0], None),
        # The same GL while the training loss hardly moves: mean 1.01 over 1.0, P = 10, PQ = 2.
        ([1.0, 1.0, 1.2, 1.2], [4.0, 3.0, 1.02, 1.0], 4),
        # In the middle of a strip nothing is decided.
        ([1.0, 1.0, 1.2], [4.0, 3.0, 1.0], None),
        # No progress at all: any generalization loss is too much.
        ([1.0, 1.0, 1.0, 1.001], [1.0, 1.0, 1.0, 1.0], 4),
        ([1.0, 1.0, 1.0, 1.0], [1.0, 1.0, 1.0, 1.0], None),
        # A strip that lacks a training loss decides nothing; the next one does.
        ([1.0, 1.0, 1.2, 1.2, 1.2, 1.2], [1.0, 1.0, None, 1.0, 1.0, 1.0], 6),
        ([1.0, 1.0, 1.2, 1.2], [1.0, 1.0, NAN, 1.0], None),
        ([1.0, 1.0, 1.2, NAN], [1.0, 1.0, 1.0, 1.0], None),
    ],
)
def test_progress_quotient(values: list[float], trains: list[float | None], stop: int | None) -> None:
    assert quotient(values, trains) == stop


@pytest.mark.parametrize(
    "policy", [GeneralizationLoss(mode="min"), Upcrossing(mode="min", times=1, strip=1), ProgressQuotient(mode="min")]
)
def test_restarted_they_compare_with_nothing_of_before(policy: Policy) -> None:
    state = policy.start()
    for validation in validations_of([1.0, 2.0]):
        state, _ = policy.observe(state, validation)
    state = policy.restart_patience(state, 2)
    assert not policy.observe(state, Validation(3, 2.0))[1].stop
