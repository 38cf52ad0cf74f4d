"""The binary form of a batch: header as JSON, then the columns of every metric (`keepbest.contract.batches`).

Written with the standard library only: a training script that logs needs no NumPy.
"""

from __future__ import annotations

import struct
import sys
from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from keepbest.contract.batches import MAX_BATCH_BYTES, Batch
from keepbest.errors import InvalidInput

_LENGTH = struct.Struct("<I")
_POINT_BYTES = 24
_BULK = frozenset({"columns", "logs", "panels"})
_EXAMPLES = "examples"


def _steps() -> array[int]:
    return array("q")


def _floats() -> array[float]:
    return array("d")


@dataclass(slots=True)
class Points:
    """The points of one metric in one segment, as columns."""

    segment: int
    key: str
    steps: array[int] = field(default_factory=_steps)
    values: array[float] = field(default_factory=_floats)
    times: array[float] = field(default_factory=_floats)

    def __len__(self) -> int:
        return len(self.steps)


def encode(batch: Batch, points: Sequence[Points]) -> bytes:
    """Return the body of `batch`, whose `columns` name the same metrics in the same order with their `count`."""
    header = batch.model_dump_json(exclude_defaults=True).encode()
    columns = (_little(column) for part in points for column in (part.steps, part.values, part.times))
    return b"".join((_LENGTH.pack(len(header)), header, *columns))


def decode(body: bytes) -> tuple[dict[str, Any], list[Points]]:
    """Return header and columns, or raise InvalidInput where the body is not what its header says."""
    header, offset = _split(body)
    points = []
    for block in header.get("columns", ()):
        end = offset + _POINT_BYTES * block["count"]
        points.append(_read_points(block, body[offset:end]))
        offset = end
    if offset != len(body):
        raise InvalidInput("The body of a batch is longer than its header says.")
    return header, points


def count_points(body: bytes) -> int:
    """Return how many points a batch carries."""
    return sum(block["count"] for block in _split(body)[0].get("columns", ()))


def has_bulk(body: bytes) -> bool:
    """Whether a batch carries points, log lines, panels, or what each example did at a look."""
    header, _ = _split(body)
    return not _BULK.isdisjoint(header) or _has_examples(header)


def has_examples(body: bytes) -> bool:
    """Whether a look of a batch says what each example did."""
    return _has_examples(_split(body)[0])


def without_bulk(body: bytes) -> bytes:
    """Return the batch without all that `has_bulk` names: what is left (looks, segments, commands) is small."""
    header, _ = _split(body)
    kept = {name: value for name, value in _without_examples(header).items() if name not in _BULK}
    return _pack(kept, b"")


def without_examples(body: bytes) -> bytes:
    """Return the batch without what each example did; its points and all else stay."""
    header, offset = _split(body)
    return _pack(_without_examples(header), body[offset:]) if _has_examples(header) else body


def renumbered(body: bytes, writer: str, number: int) -> bytes:
    """Return the batch under another writer and number."""
    header, offset = _split(body)
    return _pack({**header, "writer": writer, "number": number}, body[offset:])


def empty(writer: str, number: int) -> bytes:
    """Return a batch that says nothing, to keep the numbers whole."""
    return _pack({"writer": writer, "number": number}, b"")


def _has_examples(header: dict[str, Any]) -> bool:
    return any(_EXAMPLES in look for look in header.get("looks", ()))


def _without_examples(header: dict[str, Any]) -> dict[str, Any]:
    looks = [{name: value for name, value in look.items() if name != _EXAMPLES} for look in header.get("looks", ())]
    return {**header, "looks": looks} if looks else header


def _pack(header: dict[str, Any], tail: bytes) -> bytes:
    encoded = orjson.dumps(header)
    return _LENGTH.pack(len(encoded)) + encoded + tail


def _split(body: bytes) -> tuple[dict[str, Any], int]:
    if not _LENGTH.size <= len(body) <= MAX_BATCH_BYTES:
        raise InvalidInput(f"The body of a batch has 4 to {MAX_BATCH_BYTES} bytes, but got {len(body)}.")
    (length,) = _LENGTH.unpack_from(body)
    end = _LENGTH.size + length
    try:
        header = orjson.loads(body[_LENGTH.size : end])
    except orjson.JSONDecodeError:
        header = None
    if end > len(body) or not isinstance(header, dict):
        raise InvalidInput("The header of a batch cannot be read.")
    return header, end


def _read_points(block: dict[str, Any], raw: bytes) -> Points:
    count = block["count"]
    if len(raw) != _POINT_BYTES * count:
        raise InvalidInput("The body of a batch is shorter than its header says.")
    points = Points(block["segment"], block["key"])
    columns: tuple[array[Any], ...] = (points.steps, points.values, points.times)
    for i, column in enumerate(columns):
        column.frombytes(raw[8 * count * i : 8 * count * (i + 1)])
        if sys.byteorder == "big":
            column.byteswap()
    return points


def _little(column: array[int] | array[float]) -> bytes:
    if sys.byteorder == "big":
        column = column[:]
        column.byteswap()
    return column.tobytes()
