"""Turns what scripts call a table into names of columns and rows of plain values, without requiring any library.

A table is a list of dicts, a dict of columns, a NumPy array, or a frame of pandas.
"""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import Any, NamedTuple

from keepbest.errors import InvalidInput

MAX_ROWS = 100_000
MAX_COLUMNS = 1000
MAX_CELL = 2000


class PlainTable(NamedTuple):
    """Names of columns, and the first rows; `rows_left_out` were beyond MAX_ROWS."""

    columns: list[str]
    rows: list[list[Any]]
    rows_left_out: int = 0


def to_table(rows: Any) -> PlainTable:
    """Return a table of plain values; raises InvalidInput for what is none.

    Example:
        >>> to_table([{"epoch": 1, "loss": 0.5}, {"epoch": 2}])
        PlainTable(columns=['epoch', 'loss'], rows=[[1, 0.5], [2, None]], rows_left_out=0)
    """
    if isinstance(rows, Mapping):
        names, columns = list(rows), [_to_list(column) for column in rows.values()]
    elif hasattr(rows, "columns") and hasattr(rows, "iloc"):  # pandas
        names, columns = list(rows.columns), [_to_list(rows.iloc[:, place]) for place in range(len(rows.columns))]
    elif hasattr(rows, "dtype") and hasattr(rows, "ndim"):
        names, columns = _split_array(rows)
    elif isinstance(rows, Iterable) and not isinstance(rows, str | bytes):
        return _from_rows(list(rows))
    else:
        raise _refuse(f"{type(rows).__name__} is none")
    lengths = sorted({len(column) for column in columns})
    if len(lengths) > 1:
        raise _refuse(f"the columns have {lengths[0]} to {lengths[-1]} rows")
    return _cut(names, zip(*columns, strict=True), lengths[0] if lengths else 0)


def to_json(table: PlainTable) -> bytes:
    """Return the table as JSON: `{"columns": […], "data": [[…], …]}`. Numbers that are not finite go by name."""
    document = {"columns": table.columns, "data": [[_name_non_finite(cell) for cell in row] for row in table.rows]}
    return json.dumps(document, ensure_ascii=False, allow_nan=False).encode()


def to_csv(table: PlainTable) -> bytes:
    """Return the table as CSV, with the names of the columns in the first line."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(table.columns)
    writer.writerows(table.rows)
    return text.getvalue().encode()


def _split_array(array: Any) -> tuple[list[Any], list[list[Any]]]:
    if array.dtype.names is not None:
        return list(array.dtype.names), [_to_list(array[name].ravel()) for name in array.dtype.names]
    if array.ndim == 1:
        return ["value"], [_to_list(array)]
    if array.ndim == 2:
        return list(range(array.shape[1])), [_to_list(array[:, place]) for place in range(array.shape[1])]
    raise _refuse(f"an array of {array.ndim} dimensions is none")


def _from_rows(rows: list[Any]) -> PlainTable:
    if all(isinstance(row, Mapping) for row in rows):
        names = list(dict.fromkeys(name for row in rows for name in row))
        return _cut(names, ([row.get(name) for name in names] for row in rows), len(rows))
    if all(isinstance(row, Sequence) and not isinstance(row, str | bytes) for row in rows):
        width = max((len(row) for row in rows), default=0)
        return _cut(list(range(width)), ([*row, *[None] * (width - len(row))] for row in rows), len(rows))
    raise _refuse("its rows are neither dicts nor lists")


def _cut(names: Sequence[Any], rows: Iterable[Sequence[Any]], count: int) -> PlainTable:
    if len(names) > MAX_COLUMNS:
        raise _refuse(f"it has {len(names):,} columns, and at most {MAX_COLUMNS:,} are kept")
    plain = [[_to_plain(cell) for cell in row] for row in islice(rows, MAX_ROWS)]
    return PlainTable([str(name)[:MAX_CELL] for name in names], plain, max(0, count - MAX_ROWS))


def _to_list(column: Any) -> list[Any]:
    return list(column.tolist() if hasattr(column, "tolist") else column)


def _to_plain(cell: Any) -> Any:
    """Return a cell as JSON has it; of what is no number, text or nothing, the text that stands for it."""
    if hasattr(cell, "item") and getattr(cell, "ndim", None) == 0:
        cell = cell.item()
    if cell is None or isinstance(cell, bool | int | float):
        return cell
    return str(cell).encode(errors="replace").decode()[:MAX_CELL]


def _name_non_finite(cell: Any) -> Any:
    if isinstance(cell, float) and not math.isfinite(cell):
        return "NaN" if math.isnan(cell) else ("Infinity" if cell > 0 else "-Infinity")
    return cell


def _refuse(why: str) -> InvalidInput:
    return InvalidInput(
        f"This is no table: {why}.", field="rows", hint="A list of dicts, a dict of columns, an array or a DataFrame."
    )
