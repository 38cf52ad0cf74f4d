"""Packs points for the tracker: batches of columns, each with its place among the points of its metric."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from keepbest.contract.batches import MAX_BATCH_POINTS
from keepbest.foreign.foreign_run import Points

#: Points and columns of one batch.
BATCH_POINTS, BATCH_COLUMNS = MAX_BATCH_POINTS, 2000
_LENGTH = struct.Struct("<I")


@dataclass(frozen=True, slots=True)
class PlacedPoints:
    """Points of one metric in one segment, of which the source has `offset` points before these."""

    segment: int
    offset: int
    points: Points


def pack(placed: list[PlacedPoints]) -> bytes:
    """Return the body of one batch: the header as JSON, then the columns (`keepbest.contract.batches`)."""
    columns = [
        {"segment": each.segment, "key": each.points.key, "offset": each.offset, "count": len(each.points)}
        for each in placed
    ]
    header = json.dumps({"columns": columns}).encode()
    arrays = (
        column.astype(kind, copy=False).tobytes()
        for each in placed
        for column, kind in zip(
            (each.points.steps, each.points.values, each.points.times), ("<i8", "<f8", "<f8"), strict=True
        )
    )
    return b"".join((_LENGTH.pack(len(header)), header, *arrays))


@dataclass
class Batches:
    """Gathers points and sends a batch whenever one is full.

    Example:
        >>> batches = Batches(send=lambda body: None)
        >>> batches.flush()
    """

    send: Callable[[bytes], object]
    _waiting: list[PlacedPoints] = field(default_factory=list)
    _count: int = 0

    def add(self, segment: int, offset: int, points: Points) -> None:
        """Add points, however many."""
        for start, piece in _cut(points, BATCH_POINTS - self._count):
            self._waiting.append(PlacedPoints(segment, offset + start, piece))
            self._count += len(piece)
            if self._count >= BATCH_POINTS or len(self._waiting) >= BATCH_COLUMNS:
                self.flush()

    def flush(self) -> None:
        """Send what waits."""
        if self._waiting:
            self.send(pack(self._waiting))
        self._waiting, self._count = [], 0


def _cut(points: Points, room: int) -> Iterator[tuple[int, Points]]:
    """Yield pieces with the place of each: the first fits into the batch that is begun, the others fill one each."""
    start, end = 0, room
    while start < len(points):
        chosen = slice(start, end)
        yield start, Points(points.key, points.steps[chosen], points.values[chosen], points.times[chosen])
        start, end = end, end + BATCH_POINTS
