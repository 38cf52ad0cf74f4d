"""Encodes points of one metric as bytes: raw at arrival, packed at compaction, both exact.

Raw: int64 steps, float64 values, float64 times, one column after another (24 bytes for each point). Packed: steps and
times become differences of their 64-bit patterns, since they hardly change from one point to the next; values stay as
they are, since their differences are no smaller. Then bytes of equal weight are put side by side (shuffle), and
deflated. Every bit pattern comes back as it was: NaN payloads, infinities and -0.0.

An envelope is a packed, thinned copy of a chunk's points, which a wide chart reads instead of the points.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tracker.store.metrics.downsample import select_extremes

RAW = 0
#: Packed; compaction may still add points.
OPEN = 1
#: Packed, with `FULL_POINTS` points.
FULL = 2

#: Points in a full chunk: enough to compress well, few enough that a zoomed chart decodes little.
FULL_POINTS = 8192
#: Buckets of an envelope; each keeps its lowest and its highest point.
BUCKETS = 64
#: Shorter chunks have no envelope, which would be nearly as large as the chunk.
ENVELOPE_FROM = 1024
_LEVEL = 6
_WORD = 8

Steps = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class PointColumns:
    """Points as columns of equal length, in order of arrival."""

    steps: Steps
    values: Floats
    times: Floats

    def __len__(self) -> int:
        return len(self.steps)

    def take(self, chosen: NDArray[np.intp] | NDArray[np.bool_] | slice) -> PointColumns:
        """Return the chosen points."""
        return PointColumns(self.steps[chosen], self.values[chosen], self.times[chosen])

    def in_order(self) -> PointColumns:
        """Return the points in order of step; of equal steps, in order of arrival."""
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
    """Return the points in the raw encoding."""
    return points.steps.tobytes() + points.values.tobytes() + points.times.tobytes()


def encode_packed(points: PointColumns) -> bytes:
    """Return the points in the packed encoding."""
    # A difference may wrap around, and the sum in `decode` wraps back: exact for every bit pattern.
    steps, times = (np.diff(column, prepend=np.int64(0)) for column in (points.steps, points.times.view(np.int64)))
    columns = (steps, points.values.view(np.int64), times)
    shuffled = (np.ascontiguousarray(column).view(np.uint8).reshape(-1, _WORD).T.tobytes() for column in columns)
    return zlib.compress(b"".join(shuffled), _LEVEL)


def decode(data: bytes, encoding: int, count: int) -> PointColumns:
    """Return the `count` points that were encoded."""
    if encoding == RAW:
        steps, values, times = np.frombuffer(data, "<i8", 3 * count).reshape(3, count)
        return PointColumns(steps, values.view(np.float64), times.view(np.float64))
    plain = np.frombuffer(zlib.decompress(data), np.uint8).reshape(3, _WORD, count)
    steps, values, times = (np.ascontiguousarray(column.T).view(np.int64).reshape(-1) for column in plain)
    return PointColumns(np.cumsum(steps), values.view(np.float64), np.cumsum(times).view(np.float64))


def make_envelope(points: PointColumns) -> bytes | None:
    """Return the envelope with its count of points first; None for a chunk that is shorter than `ENVELOPE_FROM`."""
    if len(points) < ENVELOPE_FROM:
        return None
    thin = points.take(select_extremes(points.values, BUCKETS))
    return len(thin).to_bytes(4, "little") + encode_packed(thin)


def read_envelope(data: bytes) -> PointColumns:
    """Return the points of an envelope."""
    return decode(data[4:], OPEN, int.from_bytes(data[:4], "little"))
