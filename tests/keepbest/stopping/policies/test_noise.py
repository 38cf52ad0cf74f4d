"""Patience against the noise of the measurement."""

from __future__ import annotations

import math

import pytest

from keepbest.stopping import Mode, NoiseAware, Validation
from keepbest.stopping.policies.noise import standard_error
from tests.support.seed_record import VALIDATIONS
from tests.support.watch import decisions_of


@pytest.mark.parametrize(
    ("share", "n", "error"),
    [(0.988, 5000, 0.00153987), (0.5, 100, 0.05), (0.5, None, 0.0), (1.0, 10, 0.0), (98.8, 5000, 0.0), (0.5, 0, 0.0)],
)
def test_the_binomial_standard_error(share: float, n: int | None, error: float) -> None:
    assert standard_error(share, n) == pytest.approx(error, abs=1e-8)


def test_the_tutorials_record_stops_at_half_keeping_the_best() -> None:
    """Its reference is 98.1 at 1900; 98.2 at 2500 is within the noise, and still the best there is."""
    last = decisions_of(NoiseAware(mode="max", checks=10, z=1, scale=100), VALIDATIONS)[-1]
    assert (last.stop, last.at_step, last.best_step, last.best_value) == (True, 2900, 2500, 98.2)


def waits(values: list[float], n: int | None, mode: Mode = "max", z: float = 1, scale: float = 1) -> list[int | None]:
    policy = NoiseAware(mode=mode, checks=9, z=z, scale=scale)
    validations = [Validation(i, value, n=n) for i, value in enumerate(values, start=1)]
    return [decision.wait for decision in decisions_of(policy, validations)]


@pytest.mark.parametrize(
    ("values", "n", "z", "scale", "expected"),
    [
        ([0.5, 0.54, 0.551], 100, 1, 1, [0, 1, 0]),  # one standard error is 0.05
        ([0.5, 0.551, 0.6], 100, 2, 1, [0, 1, 2]),
        ([0.5, 0.500001], 100, 0, 1, [0, 0]),
        ([0.5, 0.500001], None, 1, 1, [0, 0]),  # without n every gain counts
        ([math.nan, 0.5, 0.5], 100, 1, 1, [1, 0, 1]),
        ([50.0, 54.0, 55.1], 100, 1, 100, [0, 1, 0]),
    ],
)
def test_a_gain_counts_above_the_noise(
    values: list[float], n: int | None, z: float, scale: float, expected: list[int]
) -> None:
    assert waits(values, n, z=z, scale=scale) == expected


def test_an_error_rate_gets_better_downwards() -> None:
    assert waits([0.5, 0.46, 0.449], 100, "min") == [0, 1, 0]
