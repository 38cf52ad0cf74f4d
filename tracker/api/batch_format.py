"""Reads a batch: JSON, or a header and packed columns (`keepbest.contract.batches`).

Points never pass through pydantic: lists and buffers become arrays, and checks work on whole columns. The rest of a
batch is parsed as `Batch`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray
from pydantic import ValidationError
from pydantic_core import from_json

from keepbest.contract.base import ID_PATTERN
from keepbest.contract.batches import BATCH_MEDIA_TYPE, MAX_BATCH_POINTS, Batch
from keepbest.contract.names import check_word
from keepbest.errors import InvalidInput, TooLarge
from keepbest.figures import figure
from keepbest.renamed import FIELDS
from tracker.api.envelope import explain
from tracker.store.ingest import Delivery
from tracker.store.metrics.chunks import PointColumns
from tracker.store.metrics.metrics import Column

MAX_COLUMNS = 5000
_MAX_STEP = 2**53
_MAX_SEGMENT = 1_000_000
#: About 1,600 years: a datetime can hold such a time.
_MAX_SECONDS = 5e10
_MAY_HOLD_VALUES = b'"declared"'
_WORD = 8
_ID = re.compile(ID_PATTERN)
_OWN = frozenset({"writer", "number", "columns"})

Header = dict[str, Any]


def read_batch(data: bytes, media_type: str) -> Delivery:
    """Read a request body of this media type. Raises InvalidInput that names the field, or TooLarge."""
    if media_type == BATCH_MEDIA_TYPE:
        return _deliver(*read_columns(data))
    header = _read_header(data)
    return _deliver(header, _read_columns(header.get("columns", []), _read_listed))


def read_columns(data: bytes) -> tuple[Header, list[Column]]:
    """Read a packed body: its header, and the columns that it names. Raises as `read_batch` does."""
    size = int.from_bytes(data[:4], "little")
    if len(data) < 4 + size:
        raise InvalidInput("The batch is cut short: its header is longer than its body.")
    body = memoryview(data)[4 + size :]
    place = 0

    def read_column(given: Header, field: str) -> PointColumns:
        nonlocal place
        count = read_whole(given.get("count"), f"{field}.count", 1, MAX_BATCH_POINTS)
        start, place = place, place + 3 * _WORD * count
        if place > len(body):
            raise InvalidInput(f"The batch is cut short: {field} has fewer points than its count.", field=field)
        parts = [body[start + row * _WORD * count : start + (row + 1) * _WORD * count] for row in range(3)]
        return PointColumns(
            *(np.frombuffer(part, kind) for part, kind in zip(parts, ("<i8", "<f8", "<f8"), strict=True))
        )

    header = _read_header(data[4 : 4 + size])
    columns = _read_columns(header.get("columns", []), read_column)
    if place != len(body):
        raise InvalidInput(f"The batch has {len(body) - place} bytes more than its header names.")
    return header, columns


def _read_header(data: bytes) -> Header:
    # Databases store no NUL in a text. A refusal would stop the run's records, so a NUL is replaced.
    clean = data.replace(b"\\u0000", b"\\ufffd") if b"\\u0000" in data else data
    try:
        # orjson turns large whole numbers into floats; only the values that a script declares may be so large.
        header = from_json(clean) if _MAY_HOLD_VALUES in clean else orjson.loads(clean)
    except ValueError as error:
        raise InvalidInput(f"The body is not JSON: {error}.") from None
    if not isinstance(header, dict):
        raise InvalidInput("A batch is a JSON object.")
    return header


def _deliver(header: Header, columns: Sequence[Column]) -> Delivery:
    writer = header.get("writer")
    if not isinstance(writer, str) or not _ID.match(writer):
        raise InvalidInput("writer: an id of 12 letters and digits.", field="writer")
    number = read_whole(header.get("number"), "number", 1, 2**53)
    return Delivery(writer, number, columns, _read_records(header))


def _read_columns(given: Any, read_points: Callable[[Header, str], PointColumns]) -> list[Column]:
    if not isinstance(given, list) or not all(isinstance(item, dict) for item in given):
        raise InvalidInput("columns: a list of objects.", field="columns")
    if len(given) > MAX_COLUMNS:
        raise TooLarge(f"A batch has at most {MAX_COLUMNS} columns.", field="columns")
    columns = [_read_column(item, f"columns.{place}", read_points) for place, item in enumerate(given)]
    if sum(len(column.points) for column in columns) > MAX_BATCH_POINTS:
        raise TooLarge(f"A batch has at most {MAX_BATCH_POINTS:,} points.", field="columns")
    return columns


def _read_column(given: Header, field: str, read_points: Callable[[Header, str], PointColumns]) -> Column:
    key = _read_key(given.get("key"), f"{field}.key")
    segment = read_whole(given.get("segment"), f"{field}.segment", 0, _MAX_SEGMENT)
    points = read_points(given, field)
    _check_points(points, field)
    return Column(segment, key, points)


def _read_key(given: Any, field: str) -> str:
    try:
        if isinstance(given, str) and given:
            return check_word(given)
        problem = "a text of up to 200 characters"
    except ValueError as error:
        problem = str(error)
    raise InvalidInput(f"{field}: {problem}.", field=field)


def _check_points(points: PointColumns, field: str) -> None:
    steps, times = points.steps, points.times
    if int(steps.min()) < 0 or int(steps.max()) > _MAX_STEP:
        raise InvalidInput(f"{field}.steps: whole numbers from 0 to 2^53.", field=f"{field}.steps")
    if not (np.abs(times) <= _MAX_SECONDS).all():
        raise InvalidInput(f"{field}.times: seconds since 1970, up to {figure(_MAX_SECONDS)}.", field=f"{field}.times")


def _read_listed(given: Header, field: str) -> PointColumns:
    steps = _array(given.get("steps"), f"{field}.steps", np.int64)
    values = _array(given.get("values"), f"{field}.values", np.float64)
    times = _array(given.get("times"), f"{field}.times", np.float64)
    if not len(steps) or len({len(steps), len(values), len(times)}) != 1:
        raise InvalidInput(f"{field}: steps, values and times are lists of one length, not empty.", field=field)
    return PointColumns(steps, values, times)


def _array(given: Any, field: str, kind: Any) -> NDArray[Any]:
    """Return a JSON list as an array; a value may be null (NaN) or a non-finite number's name."""
    try:
        if not isinstance(given, list):
            raise TypeError
        if kind is np.int64 and not all(type(step) is int for step in given):
            raise TypeError
        column = np.array(given, kind)
        if column.ndim != 1:
            raise TypeError
        return column
    except (TypeError, ValueError, OverflowError):
        raise InvalidInput(f"{field}: a list of numbers.", field=field) from None


def read_whole(value: Any, field: str, least: int, most: int) -> int:
    """Return a whole number between two others; raises InvalidInput that names the field."""
    if type(value) is not int or not least <= value <= most:
        raise InvalidInput(f"{field}: a whole number from {least} to {most}.", field=field)
    return value


def check_fields(header: Header) -> None:
    """Raise InvalidInput for a field under its name of before 0.1."""
    for name in FIELDS.keys() & header.keys():
        raise InvalidInput(
            f"{name} is named {FIELDS[name]} now.",
            field=name,
            hint="Upgrade keepbest where this run is trained: its waiting records are then sent under the new name.",
        )


def _read_records(header: Header) -> Batch | None:
    check_fields(header)
    if not any(header[name] for name in header.keys() - _OWN):
        return None
    try:
        return Batch.model_validate({name: header[name] for name in header if name != "columns"}, strict=False)
    except ValidationError as error:
        raise explain(error) from None
