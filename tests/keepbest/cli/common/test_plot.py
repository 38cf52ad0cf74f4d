"""Drawings in letters: where lines, labels and marks lie."""

from __future__ import annotations

import math

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from keepbest.cli.common.plot import LABEL, Plot

PLAIN = Plot(width=8, height=4, has_braille=False)


def test_a_rising_line_goes_from_corner_to_corner() -> None:
    assert PLAIN.draw([(0, 0.0), (100, 1.0)]) == [
        "          1 ┤      **",
        "     0.6667 ┤    **",
        "            │  **",
        "          0 ┤**",
        "            └────────",
        "             0    100",
    ]


def test_braille_holds_eight_dots_a_letter() -> None:
    assert Plot(width=1, height=1).draw([(0, 0.0), (1, 1.0)])[0].endswith("┤⡜")


def test_the_best_and_what_is_lost_are_marked() -> None:
    drawn = PLAIN.draw([(0, 0.0), (50, 1.0), (100, math.nan)], best=(50, 1.0))
    assert drawn[0].endswith("┤   *O")
    assert drawn[3].endswith("x")


@pytest.mark.parametrize("points", [[], [(0, math.nan)], [(0, math.inf), (1, -math.inf)]])
def test_nothing_finite_is_no_drawing(points: list[tuple[float, float]]) -> None:
    assert PLAIN.draw(points) == []


@given(
    st.lists(st.tuples(st.integers(0, 2**53), st.floats()), min_size=1, max_size=30),
    st.integers(1, 100),
    st.integers(1, 20),
)
@example([(0, 0.0), (0, math.ulp(0.0))], 1, 1)
def test_any_curve_fits_its_frame(points: list[tuple[int, float]], width: int, height: int) -> None:
    lines = Plot(width, height).draw(sorted(points, key=lambda point: point[0]))
    assert len(lines) in (0, height + 2)
    assert all(len(line) <= LABEL + 2 + width for line in lines[:-1])
