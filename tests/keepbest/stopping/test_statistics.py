"""Wilson's interval against published figures and its laws; McNemar's exact test; median and range."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keepbest.stopping.statistics import mcnemar_exact, spread, wilson


@pytest.mark.parametrize(
    ("share", "n", "low", "high"),
    [
        # Newcombe 1998, table I (score method without continuity correction)
        (81 / 263, 263, 0.2553, 0.3662),
        (15 / 148, 148, 0.0624, 0.1605),
        (0 / 20, 20, 0.0000, 0.1611),
        (1 / 29, 29, 0.0061, 0.1718),
    ],
)
def test_published_intervals(share: float, n: int, low: float, high: float) -> None:
    found = wilson(share, n)
    assert found is not None
    assert found.low == pytest.approx(low, abs=5e-5)
    assert found.high == pytest.approx(high, abs=5e-5)


@pytest.mark.parametrize(("share", "n"), [(0.5, 0), (1.2, 10), (-0.1, 10), (math.nan, 10)])
def test_what_is_no_share_has_no_interval(share: float, n: int) -> None:
    assert wilson(share, n) is None


@given(st.floats(0, 1), st.integers(1, 10**6))
def test_it_holds_the_share_and_narrows_with_more_examples(share: float, n: int) -> None:
    few, many = wilson(share, n), wilson(share, 4 * n)
    assert few is not None
    assert many is not None
    assert 0 <= few.low <= share + 1e-12
    assert share - 1e-12 <= few.high <= 1
    assert many.high - many.low < few.high - few.low


def test_median_and_range() -> None:
    found = spread([0.3, math.nan, 0.1, 0.2])
    assert found is not None
    assert (found.count, found.median, found.low, found.high) == (3, 0.2, 0.1, 0.3)
    assert spread([math.inf]) is None


@pytest.mark.parametrize(
    ("b", "c", "greater", "two_sided"),
    [
        (0, 0, 1.0, 1.0),
        (1, 0, 0.5, 1.0),
        (5, 0, 0.03125, 0.0625),
        (8, 2, 0.0546875, 0.109375),
        (10, 2, 0.019287109375, 0.03857421875),
        (2, 10, 0.996826171875, 0.03857421875),
        (30, 19, 0.0762038860, 0.1524077720),
        (5, 5, 0.623046875, 1.0),
    ],
)
def test_known_values_of_mcnemars_exact_test(b: int, c: int, greater: float, two_sided: float) -> None:
    found = mcnemar_exact(b, c)
    assert found.greater == pytest.approx(greater, abs=5e-8)
    assert found.two_sided == pytest.approx(two_sided, abs=5e-8)


@given(st.integers(0, 3000), st.integers(0, 3000))
def test_either_way_together_is_everything_and_the_draw(b: int, c: int) -> None:
    """P(X >= b) + P(X >= c) counts P(X = b) twice; no number of pairs overflows."""
    draw = math.comb(b + c, b) / 2 ** (b + c)
    assert mcnemar_exact(b, c).greater + mcnemar_exact(c, b).greater == pytest.approx(1 + draw)


def test_a_count_below_zero_is_refused() -> None:
    with pytest.raises(ValueError, match="-1"):
        mcnemar_exact(-1, 3)
