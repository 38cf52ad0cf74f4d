"""What scripts call a table becomes columns and plain values."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest

from keepbest.errors import InvalidInput
from keepbest.tracking import tables
from keepbest.tracking.tables import PlainTable, to_csv, to_json, to_table

ROWS = [[1, 0.5], [2, 0.25]]


class Frame:
    """As much of a DataFrame of pandas as a table needs."""

    def __init__(self, columns: dict[str, Any]) -> None:
        self.columns = list(columns)
        self.iloc = _Places(list(columns.values()))


class _Places:
    def __init__(self, arrays: list[Any]) -> None:
        self._arrays = arrays

    def __getitem__(self, where: tuple[slice, int]) -> Any:
        return self._arrays[where[1]]


TABLES: list[Any] = [
    [{"epoch": 1, "loss": 0.5}, {"epoch": 2, "loss": 0.25}],
    {"epoch": [1, 2], "loss": (0.5, 0.25)},
    {"epoch": np.array([1, 2]), "loss": np.array([0.5, 0.25], np.float32)},
    np.array([(1, 0.5), (2, 0.25)], dtype=[("epoch", "i4"), ("loss", "f8")]),
    Frame({"epoch": np.array([1, 2]), "loss": np.array([0.5, 0.25])}),
]


@pytest.mark.parametrize("rows", TABLES, ids=["dicts", "columns", "arrays", "structured", "frame"])
def test_every_form_of_a_table_is_the_same(rows: Any) -> None:
    table = to_table(rows)
    assert table == PlainTable(["epoch", "loss"], ROWS)
    assert [[type(cell) for cell in row] for row in table.rows] == [[int, float]] * 2


def test_rows_without_names_get_numbers() -> None:
    assert to_table(np.array([[1, 2], [3, 4]])) == PlainTable(["0", "1"], [[1, 2], [3, 4]])
    assert to_table([[1], [2, 3]]) == PlainTable(["0", "1"], [[1, None], [2, 3]])
    assert to_table(np.array([1.5])) == PlainTable(["value"], [[1.5]])
    assert to_table([]) == PlainTable([], [])
    assert to_table([{"a": 1}, {"b": 2}]) == PlainTable(["a", "b"], [[1, None], [None, 2]])


@pytest.mark.parametrize(
    "rows", [7, "text", b"bytes", np.zeros((2, 2, 2)), {"a": [1], "b": [1, 2]}, [1, 2], np.zeros((1, 1001))]
)
def test_what_is_no_table_is_refused(rows: Any) -> None:
    with pytest.raises(InvalidInput, match="no table"):
        to_table(rows)


def test_odd_cells_become_text_and_numbers_by_name() -> None:
    table = to_table([{"a": math.nan, "b": np.float32(-np.inf), "c": {"x": 1}, "d": "\ud800", "e": np.bool_(True)}])
    assert json.loads(to_json(table))["data"] == [["NaN", "-Infinity", "{'x': 1}", "?", True]]
    assert to_csv(to_table([{"a,b": 'say "x"', "c": None}])) == b'"a,b",c\r\n"say ""x""",\r\n'


def test_a_long_table_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "MAX_ROWS", 2)
    assert to_table({"a": [1, 2, 3, 4, 5]}) == PlainTable(["a"], [[1], [2]], 3)
