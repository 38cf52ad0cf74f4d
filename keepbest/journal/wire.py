"""The binary form of a batch: header as JSON, then the columns of every metric (`keepbest.contract.batches`).

Uses no NumPy, so that a script that only logs need not import it.
"""

from __future__ import annotations

import re
import struct
import sys
from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic_core import from_json, to_json

from keepbest.contract.batches import Batch
from keepbest.errors import InvalidInput, KeepbestError
from keepbest.journal import upgrade

Header = dict[str, Any]
_LENGTH = struct.Struct("<I")
_POINT_BYTES = 24
_BULK = frozenset({"columns", "logs", "panels"})
_EXAMPLES = "examples"
_EXAMPLES_FIELD = re.compile(r"validations\.\d+\.examples")


def _steps() -> array[int]:
    return array("q")


def _floats() -> array[float]:
    return array("d")


@dataclass(slots=True)
class MetricPoints:
    """The points of one metric in one segment, as columns."""

    segment: int
    key: str
    steps: array[int] = field(default_factory=_steps)
    values: array[float] = field(default_factory=_floats)
    times: array[float] = field(default_factory=_floats)

    def __len__(self) -> int:
        return len(self.steps)

    @property
    def columns(self) -> tuple[array[Any], ...]:
        """The three columns in the order of the wire."""
        return self.steps, self.values, self.times


def encode(batch: Batch, points: Sequence[MetricPoints]) -> bytes:
    """Return the body of `batch`. Its `columns` name the metrics of `points` in the same order, with their `count`."""
    return _join(batch.model_dump_json(exclude_defaults=True).encode(), points)


def pack(header: Header, points: Sequence[MetricPoints]) -> bytes:
    """Return the body of a batch from a header that `decode` returned."""
    return _join(to_json(header), points)


def decode(body: bytes) -> tuple[Header, list[MetricPoints]]:
    """Return header and columns, or raise InvalidInput if the body does not match its header."""
    header, offset = _split(body)
    points = []
    for block in header.get("columns", ()):
        end = offset + _POINT_BYTES * _count(block)
        points.append(_read_points(block, body[offset:end]))
        offset = end
    if offset != len(body):
        raise InvalidInput("The body of a batch is longer than its header says.")
    return header, points


def to_present(body: bytes) -> bytes:
    """Return a batch with its fields under their present names; a batch that cannot be read stays unchanged."""
    (length,) = _LENGTH.unpack_from(body) if len(body) >= _LENGTH.size else (0,)
    if not upgrade.is_older(body[_LENGTH.size : _LENGTH.size + length]):
        return body
    try:
        header, offset = _split(body)
    except InvalidInput:
        return body
    return _pack(header, body[offset:])


def count_points(body: bytes) -> int:
    """Return how many points a batch carries."""
    return sum(_count(block) for block in _split(body)[0].get("columns", ()))


def has_examples(body: bytes) -> bool:
    """Whether a validation of a batch reports its single examples."""
    return _has_examples(_split(body)[0])


def refuses_examples(error: KeepbestError, body: bytes) -> bool:
    """Whether the tracker refuses the batch because it is too old to record single examples."""
    if not isinstance(error, InvalidInput) or not _EXAMPLES_FIELD.fullmatch(error.field or ""):
        return False
    return has_examples(body)


def without_bulk(body: bytes) -> bytes:
    """Return the batch without points, log lines, panels and single examples: the rest is small."""
    header, _ = _split(body)
    kept = {name: value for name, value in _without_examples(header).items() if name not in _BULK}
    return _pack(kept, b"")


def without_examples(body: bytes) -> bytes:
    """Return the batch without single examples; its points and all else stay."""
    header, offset = _split(body)
    return _pack(_without_examples(header), body[offset:]) if _has_examples(header) else body


def renumbered(body: bytes, writer: str, number: int) -> bytes:
    """Return the batch under another writer and number."""
    header, offset = _split(body)
    return _pack({**header, "writer": writer, "number": number}, body[offset:])


def empty(writer: str, number: int) -> bytes:
    """Return an empty batch, so that no number is missing."""
    return _pack({"writer": writer, "number": number}, b"")


def _has_examples(header: Header) -> bool:
    return any(_EXAMPLES in validation for validation in header.get("validations", ()))


def _without_examples(header: Header) -> Header:
    validations = [
        {name: value for name, value in validation.items() if name != _EXAMPLES}
        for validation in header.get("validations", ())
    ]
    return {**header, "validations": validations} if validations else header


def _join(header: bytes, points: Sequence[MetricPoints]) -> bytes:
    columns = (_little(column) for part in points for column in part.columns)
    return b"".join((_LENGTH.pack(len(header)), header, *columns))


def _pack(header: Header, tail: bytes) -> bytes:
    encoded = to_json(header)
    return _LENGTH.pack(len(encoded)) + encoded + tail


def _split(body: bytes) -> tuple[Header, int]:
    if len(body) < _LENGTH.size:
        raise InvalidInput(f"The body of a batch has {_LENGTH.size} bytes or more, but got {len(body)}.")
    (length,) = _LENGTH.unpack_from(body)
    end = _LENGTH.size + length
    try:
        header = from_json(body[_LENGTH.size : end], cache_strings="none")  # keeps whole numbers of any size exact
    except ValueError:
        header = None
    if end > len(body) or not isinstance(header, dict):
        raise InvalidInput("The header of a batch cannot be read.")
    return upgrade.to_present(header), end


def _count(block: Any) -> int:
    count = block.get("count") if isinstance(block, dict) else None
    if type(count) is not int or count < 1 or not {"segment", "key"} <= block.keys():
        raise InvalidInput("A column of a batch names its segment, its key and how many points it has.")
    return count


def _read_points(block: Header, raw: bytes) -> MetricPoints:
    count = _count(block)
    if len(raw) != _POINT_BYTES * count:
        raise InvalidInput("The body of a batch is shorter than its header says.")
    points = MetricPoints(block["segment"], block["key"])
    for i, column in enumerate(points.columns):
        column.frombytes(raw[8 * count * i : 8 * count * (i + 1)])
        if sys.byteorder == "big":
            column.byteswap()
    return points


def _little(column: array[int] | array[float]) -> bytes:
    if sys.byteorder == "big":
        column = column[:]
        column.byteswap()
    return column.tobytes()
