"""Thinning loses nothing that a chart must show."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tracker.store.metrics.downsample import select_extremes, thin

VALUES = st.lists(st.floats(width=16, allow_nan=True, allow_infinity=True), min_size=1, max_size=300)


@given(VALUES, st.integers(1, 40))
def test_the_extremes_of_every_bucket_stay(given_values: list[float], buckets: int) -> None:
    values = np.array(given_values)
    chosen = select_extremes(values, buckets)
    assert chosen[0] == 0
    assert chosen[-1] == len(values) - 1
    assert (np.diff(chosen) > 0).all()
    finite = np.flatnonzero(np.isfinite(values))
    if len(finite):
        assert finite[values[finite].argmin()] in chosen
        assert finite[values[finite].argmax()] in chosen
    for odd in (np.isnan, np.isposinf, np.isneginf):
        assert not odd(values).any() or np.flatnonzero(odd(values))[0] in chosen


@given(VALUES, st.integers(3, 100), st.data())
def test_what_must_be_kept_is_kept_and_the_rest_is_few(
    given_values: list[float], most: int, data: st.DataObject
) -> None:
    values = np.array(given_values)
    keep = np.unique(np.array(data.draw(st.lists(st.integers(0, len(values) - 1), max_size=3)), np.intp))
    chosen = thin(values, most, keep)
    assert np.isin(keep, chosen).all()
    assert len(chosen) <= most


def test_few_points_stay_as_they_are() -> None:
    assert thin(np.array([1.0, np.nan, 3.0]), 100).tolist() == [0, 1, 2]


def test_of_too_few_points_the_telling_ones_come_first() -> None:
    values = np.array([1.0, 5.0, np.nan, -2.0, 0.0, np.inf, 2.0])
    kept = [thin(values, most).tolist() for most in range(1, 6)]
    assert kept == [[6], [0, 6], [0, 3, 6], [0, 1, 3, 6], [0, 1, 2, 3, 6]]
