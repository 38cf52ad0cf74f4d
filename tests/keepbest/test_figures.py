"""Numbers for people: the table that the pages pass too."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keepbest.figures import duration, figure, size

TABLE: dict[str, list[list[Any]]] = json.loads((Path(__file__).parents[1] / "support" / "figures.json").read_text())
WAYS = {
    "figure": figure,
    "figure4": lambda value: figure(value, 4),
    "count": lambda value: f"{value:,}",
    "size": size,
    "duration": duration,
}


def test_every_part_of_the_table_is_tried() -> None:
    assert set(TABLE) == set(WAYS)


@pytest.mark.parametrize(("way", "value", "shown"), [(way, *row) for way, rows in TABLE.items() for row in rows])
def test_numbers_are_shown_as_on_the_pages(way: str, value: float | str, shown: str) -> None:
    assert WAYS[way](float(value) if isinstance(value, str) else value) == shown


@given(st.floats(-1e300, 1e300), st.integers(2, 15))
def test_a_figure_is_a_number_near_its_value(value: float, digits: int) -> None:
    assert math.isclose(float(figure(value, digits)), value, rel_tol=10.0 ** (1 - digits))
