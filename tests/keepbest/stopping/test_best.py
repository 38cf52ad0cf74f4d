"""The selector: first strict raw best."""

from __future__ import annotations

import math

import pytest

from keepbest.stopping import Mode
from keepbest.stopping.best import find_best
from tests.support.seed_record import VALIDATIONS
from tests.support.watch import validations_of


@pytest.mark.parametrize(
    ("mode", "values", "step"),
    [
        ("max", [0.5, 0.6, 0.6], 2),
        ("min", [0.5, 0.4, 0.4], 2),
        ("max", [math.nan, 0.1], 2),
        ("max", [0.1, math.inf, None], 1),
        ("max", [math.nan, None], None),
        ("max", [], None),
    ],
)
def test_the_first_strict_best(mode: Mode, values: list[float | None], step: int | None) -> None:
    best = find_best(validations_of(values), mode)
    assert (best.step if best else None) == step


def test_the_tutorials_best() -> None:
    best = find_best(VALIDATIONS, "max")
    assert best is not None
    assert (best.step, best.value) == (4800, 98.8)
