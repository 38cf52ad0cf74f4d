"""Points of one metric packed into bytes: raw as they come, compressed when compacted, exact in both.

Raw: int64 steps, float64 values, float64 times, one after another (24 bytes a point). Packed: each column as
differences of its 64-bit patterns (times and steps hardly change from one to the next) or as it is (values: their
differences are no smaller), bytes of the same weight side by side (shuffle), then deflate. Bit patterns are never
touched: NaN payloads, infinities and -0.0 come back as they went in.

An envelope is a thinned copy of a chunk's points, packed alike: a wide chart reads it instead of them.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tracker.store.metrics.downsample import select_extremes

RAW = 0
#: Packed, and still to be grown by compaction.
OPEN = 1
#: Packed and as long as a chunk gets.
FULL = 2

#: Points in a full chunk: long enough to compress well, short enough that a zoomed chart decodes little.
FULL_POINTS = 8192
#: Buckets of an envelope; each keeps its lowest and its highest point.
BUCKETS = 64
#: Shorter chunks have no envelope: it would be nearly as large as they are.
ENVELOPE_FROM = 1024
_LEVEL = 6
_WORD = 8

Steps = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class PointColumns:
    """Columns of equal length, in the order in which they arrived."""

    steps: Steps
    values: Floats
    times: Floats

    def __len__(self) -> int:
        return len(self.steps)

    def take(self, chosen: NDArray[np.intp] | NDArray[np.bool_] | slice) -> PointColumns:
        """Return the chosen points."""
        return PointColumns(self.steps[chosen], self.values[chosen], self.times[chosen])

    def in_order(self) -> PointColumns:
        """Return them by step; of equal steps the one that arrived first comes first."""
        if len(self) < 2 or bool((self.steps[1:] >= self.steps[:-1]).all()):
            return self
        return self.take(np.argsort(self.steps, kind="stable"))


NONE = PointColumns(np.empty(0, np.int64), np.empty(0), np.empty(0))


def join(parts: list[PointColumns]) -> PointColumns:
    """Return all points of `parts`, one part after another."""
    if len(parts) == 1:
        return parts[0]
    if not parts:
        return NONE
    return PointColumns(
        np.concatenate([part.steps for part in parts]),
        np.concatenate([part.values for part in parts]),
        np.concatenate([part.times for part in parts]),
    )


def encode_raw(points: PointColumns) -> bytes:
    """Return the points as they are: quick, for ingest."""
    return points.steps.tobytes() + points.values.tobytes() + points.times.tobytes()


def encode_packed(points: PointColumns) -> bytes:
    """Return the points compressed."""
    columns = (_differences(points.steps), points.values.view(np.int64), _differences(points.times.view(np.int64)))
    return zlib.compress(b"".join(_shuffle(column) for column in columns), _LEVEL)


def decode(data: bytes, encoding: int, count: int) -> PointColumns:
    """Return the points that were encoded; `count` is how many there are."""
    if encoding == RAW:
        return _columns(data, count)
    plain = zlib.decompress(data)
    size = count * _WORD
    steps, values, times = (_unshuffle(plain[place : place + size], count) for place in (0, size, 2 * size))
    return PointColumns(np.cumsum(steps), values.view(np.float64), np.cumsum(times).view(np.float64))


def decode_raw(parts: list[bytes]) -> PointColumns:
    """Return the points of many raw chunks at once; far quicker than one by one when each holds a point."""
    return join([_columns(data, len(data) // (3 * _WORD)) for data in parts])


def make_envelope(points: PointColumns) -> bytes | None:
    """Return the chunk's thinned copy, or None where the chunk is short. It starts with its count."""
    if len(points) < ENVELOPE_FROM:
        return None
    thin = points.take(select_extremes(points.values, BUCKETS))
    return len(thin).to_bytes(4, "little") + encode_packed(thin)


def read_envelope(data: bytes) -> PointColumns:
    """Return the points of an envelope."""
    return decode(data[4:], OPEN, int.from_bytes(data[:4], "little"))


def _columns(data: bytes, count: int) -> PointColumns:
    steps, values, times = (np.frombuffer(data, "<i8", count, place * count * _WORD) for place in range(3))
    return PointColumns(steps, values.view(np.float64), times.view(np.float64))


def _differences(column: Steps) -> Steps:
    return np.diff(column, prepend=np.int64(0))  # wraps around, and so does cumsum: exact for every bit pattern


def _shuffle(column: Steps) -> bytes:
    return np.ascontiguousarray(column).view(np.uint8).reshape(-1, _WORD).T.tobytes()


def _unshuffle(data: bytes, count: int) -> Steps:
    return np.ascontiguousarray(np.frombuffer(data, np.uint8).reshape(_WORD, count).T).view(np.int64).reshape(-1)
