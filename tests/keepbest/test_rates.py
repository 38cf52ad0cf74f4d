"""Learning rates that nobody means."""

from __future__ import annotations

import math

import pytest

from keepbest.rates import find_absurd, find_absurd_text


@pytest.mark.parametrize(
    ("rate", "told"),
    [
        (0.0, "nothing is learned"), (-0.1, "uphill"), (1e4, "very large"), (1e-12, "so small"), (math.nan, "nothing"),
        (math.inf, "nothing"), (1e-9, None), (1e-4, None), (0.5, None), (10.0, None),
    ],
)  # fmt: skip
def test_rates(rate: float, told: str | None) -> None:
    found = find_absurd(rate)
    assert found is None if told is None else told in str(found)


@pytest.mark.parametrize(
    ("text", "is_odd"),
    [("0.1x", False), ("100x", False), ("1000x", True), ("0x", True), ("3e-5", False), ("3e5", True), (None, False),
     ("a tenth", False)],
)  # fmt: skip
def test_rates_as_they_are_written(text: str | None, is_odd: bool) -> None:
    assert (find_absurd_text(text) is not None) == is_odd
