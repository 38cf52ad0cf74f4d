"""Rows as JSON: one object a row, whose values every database keeps; and the way back, with every value checked.

A moment is ISO 8601, bytes are base64, a number that is not finite is its name. Nothing of a row is trusted: its type,
its length and its range are those of the column, so that a later statement cannot fail on it.
"""

from __future__ import annotations

import json
import math
import re
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from pydantic_core import from_json
from sqlalchemy import JSON, BigInteger, Boolean, Column, Float, Integer, LargeBinary, String
from sqlalchemy.types import TypeDecorator, TypeEngine

from keepbest.contract.base import ID_LENGTH, ID_PATTERN, check_text, check_timestamp, check_value, iso
from keepbest.errors import InvalidInput
from tracker.models.types import Moment
from tracker.store.archives.tables import ArchivedTable

Values = dict[str, Any]
_NAMES = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


def write_row(table: ArchivedTable, row: Mapping[str, Any]) -> bytes:
    """Return a row as one line."""
    values = {column.name: _write_value(row[column.name]) for column in table.columns}
    return json.dumps(values, allow_nan=False).encode() + b"\n"


def read_rows(table: ArchivedTable, part: bytes) -> Iterator[Values]:
    """Yield the rows of a part; raises InvalidInput that names the table and the column of a wrong value."""
    columns = {column.name: column for column in table.columns}
    for number, line in enumerate(part.splitlines(), start=1):
        try:
            values = from_json(line, allow_inf_nan=False)
        except ValueError:
            raise refuse(table, f"line {number} is no JSON") from None
        if not isinstance(values, dict) or values.keys() - columns.keys():
            raise refuse(table, f"line {number} has a column that the table has not")
        present = {name: column for name, column in columns.items() if name in values or not _has_default(column)}
        yield {name: _read_column(table, column, values.get(name)) for name, column in present.items()}


def refuse(table: ArchivedTable, why: str) -> InvalidInput:
    """Return the error that rows of an archive are wrong."""
    hint = "The archive was not made by keepbest, or by a newer one: export the run again."
    return InvalidInput(f"The archive's {table.name} cannot be kept: {why}.", field="archive", hint=hint)


def _has_default(column: Column[Any]) -> bool:
    """Whether the database knows what a row has here that was written before there was such a column."""
    return column.server_default is not None


def _write_value(value: Any) -> Any:
    if isinstance(value, bytes | memoryview):
        return b64encode(value).decode()
    if isinstance(value, datetime):
        return iso(value)
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return value


def _read_column(table: ArchivedTable, column: Column[Any], value: Any) -> Any:
    if value is None:
        if column.nullable:
            return None
        raise refuse(table, f"{column.name} is missing")
    kind = _plain(column.type)
    read = next(read for type, read in _READERS if isinstance(kind, type))
    try:
        return read(column, value)
    except (ValueError, TypeError) as error:
        raise refuse(table, f"{column.name}: {error}") from None


def _plain(type: TypeEngine[Any]) -> Any:
    if isinstance(type, TypeDecorator) and not isinstance(type, Moment):
        return type.impl_instance
    return type


def _read_moment(column: Column[Any], value: Any) -> datetime:
    moment = datetime.fromisoformat(_need(str, value))
    if moment.tzinfo is None:
        raise ValueError("a moment has a time zone")
    return check_timestamp(moment).astimezone(UTC)


def _read_text(column: Column[Any], value: Any) -> str:
    text = check_text(_need(str, value))
    most = getattr(column.type, "length", None)
    if most is not None and len(text) > most:
        raise ValueError(f"it has {len(text):,} characters, and may have {most:,}")
    if most == ID_LENGTH and not re.fullmatch(ID_PATTERN, text):
        raise ValueError(f"{text!r} is no id")
    return text


def _read_whole(column: Column[Any], value: Any) -> int:
    whole: int = _need(int, value)
    bits = 63 if isinstance(column.type, BigInteger) else 31
    if isinstance(value, bool) or not -(2**bits) <= whole < 2**bits:
        raise ValueError("it is no whole number of this column")
    return whole


def _read_number(column: Column[Any], value: Any) -> float:
    if isinstance(value, str):
        return _NAMES[value] if value in _NAMES else float(_need(float, value))
    if isinstance(value, bool):
        raise TypeError("it is no number")
    return float(_need((int, float), value))


def _read_bytes(column: Column[Any], value: Any) -> bytes:
    return b64decode(_need(str, value), validate=True)


def _read_document(column: Column[Any], value: Any) -> Any:
    return check_value(_need((dict, list), value))


def _read_truth(column: Column[Any], value: Any) -> bool:
    return bool(_need(bool, value))


def _need(kind: type | tuple[type, ...], value: Any) -> Any:
    if not isinstance(value, kind):
        raise TypeError(f"{type(value).__name__} is not its type")
    return value


_READERS: tuple[tuple[type, Callable[[Column[Any], Any], Any]], ...] = (
    (Moment, _read_moment),
    (Boolean, _read_truth),
    (Integer, _read_whole),
    (Float, _read_number),
    (JSON, _read_document),
    (LargeBinary, _read_bytes),
    (String, _read_text),
)
