"""Chunks are exact for every bit pattern, and an envelope loses no peak."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracker.store.metrics import chunks
from tracker.store.metrics.chunks import PointColumns

BITS = st.integers(-(2**63), 2**63 - 1)
ROWS = st.lists(st.tuples(BITS, BITS, BITS), max_size=60)


def from_bits(rows: list[tuple[int, int, int]]) -> PointColumns:
    steps, values, times = (np.array(column, np.int64) for column in (zip(*rows, strict=True) if rows else ([],) * 3))
    return PointColumns(steps, values.view(np.float64), times.view(np.float64))


def bits(points: PointColumns) -> list[list[int]]:
    return [column.view(np.int64).tolist() for column in (points.steps, points.values, points.times)]


@given(ROWS)
def test_every_bit_pattern_comes_back(rows: list[tuple[int, int, int]]) -> None:
    points = from_bits(rows)
    assert bits(chunks.decode(chunks.encode_raw(points), chunks.RAW, len(points))) == bits(points)
    assert bits(chunks.decode(chunks.encode_packed(points), chunks.OPEN, len(points))) == bits(points)


def test_points_of_one_step_keep_the_order_in_which_they_came() -> None:
    points = PointColumns(np.array([5, 3, 5, 3]), np.array([1.0, 2.0, 3.0, 4.0]), np.zeros(4)).in_order()
    assert points.steps.tolist() == [3, 3, 5, 5]
    assert points.values.tolist() == [2.0, 4.0, 1.0, 3.0]


def wave(count: int) -> PointColumns:
    random = np.random.default_rng(1)
    values = np.exp(-np.arange(count) / 1000) + random.normal(0, 0.01, count)
    return PointColumns(np.arange(count), values, 1.7e9 + np.cumsum(random.uniform(0.005, 0.014, count)).round(3))


@pytest.mark.parametrize("place", [0, 1, 4000, 8190, 8191])
@pytest.mark.parametrize("value", [9.0, -9.0, np.nan, np.inf, -np.inf])
def test_an_envelope_keeps_every_peak(place: int, value: float) -> None:
    points = wave(8192)
    points.values[place] = value
    envelope = chunks.make_envelope(points)
    assert envelope is not None
    kept = chunks.read_envelope(envelope)
    assert kept.values[kept.steps == place].view(np.int64).tolist() == points.values[[place]].view(np.int64).tolist()
    assert len(kept) <= 2 * chunks.BUCKETS + 3


def test_a_short_chunk_has_no_envelope() -> None:
    assert chunks.make_envelope(wave(100)) is None


def test_a_full_chunk_of_a_noisy_curve_is_small() -> None:
    points = wave(chunks.FULL_POINTS)
    single = PointColumns(points.steps, points.values.astype(np.float32).astype(np.float64), points.times)
    assert len(chunks.encode_packed(points)) < 9 * len(points)
    assert len(chunks.encode_packed(single)) < 6 * len(points)
