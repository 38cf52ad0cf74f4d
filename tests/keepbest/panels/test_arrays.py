"""Panels of plain arrays: tables of numbers, no TensorFlow."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from keepbest.panels.boundary import GRID, NEURON_GRID, draw_boundary, draw_fit
from keepbest.panels.confusion import count_confusion, find_wrong
from keepbest.panels.examples import Scene, see
from keepbest.panels.histograms import BINS, spread
from keepbest.panels.packing import finite, pack, to_bytes, unpack
from keepbest.panels.weights import show_columns, show_filters
from tests.support.need import need_tensorflow

NAN = float("nan")


@given(arrays.arrays(np.float32, arrays.array_shapes(max_dims=4, max_side=5), elements=st.floats(-9, 9, width=32)))
def test_what_is_packed_is_unpacked(array: Any) -> None:
    assert np.array_equal(unpack(pack(array)), array)


def test_values_become_bytes_around_the_middle() -> None:
    assert to_bytes(np.array([-1.0, 0.0, 1.0, NAN, 9.0]), -1.0, 1.0).tolist() == [0, 128, 255, 128, 255]
    assert to_bytes(np.zeros(2), 0.0, 0.0).tolist() == [0, 0]


@pytest.mark.parametrize(("value", "shown"), [(1.5, 1.5), (NAN, None), (float("inf"), None)])
def test_what_is_not_finite_is_nothing(value: float, shown: float | None) -> None:
    assert finite(value) == shown


def test_a_confusion_matrix() -> None:
    true, predicted = np.array([0, 0, 1, 2, 2, 2]), np.array([0, 1, 1, 2, 0, 2])
    assert count_confusion(true, predicted, "abc").counts == [[1, 1, 0], [0, 1, 0], [1, 0, 2]]


def test_the_first_wrong_ones() -> None:
    true = np.array([0, 1, 1, 0])
    said = np.array([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7], [0.4, 0.6]])
    images = np.arange(16.0).reshape(4, 2, 2)
    found = find_wrong(true, said, ["cat", "dog"], images, count=1)
    (sample,) = found.samples
    assert (found.wrong, found.n) == (2, 4)
    assert (sample.index, sample.true, sample.predicted, sample.probability) == (1, "dog", "cat", 0.8)
    assert found.images is not None
    assert unpack(found.images).ravel().tolist() == [0, 85, 170, 255]


def test_nothing_wrong_has_no_images() -> None:
    found = find_wrong(np.array([0]), np.array([[1.0, 0.0]]), "ab", np.zeros((1, 2, 2)))
    assert (found.wrong, found.samples, found.images) == (0, [], None)


def test_filters_share_the_limits_of_the_whole_kernel() -> None:
    kernel = np.zeros((2, 2, 2, 3))
    kernel[0, 0, 1, 2] = -4.0
    first, second = (show_filters(kernel, "conv/kernel", channel=channel) for channel in (0, 1))
    assert (first.low, first.high, first.channel) == (-4.0, 4.0, 0)
    assert unpack(first.tiles).shape == (3, 2, 2)
    assert unpack(second.tiles)[2, 0, 0] == 0
    assert set(unpack(first.tiles).ravel()) == {128}


def test_columns_of_a_matrix_are_images() -> None:
    shown = show_columns(np.arange(12.0).reshape(6, 2), "kernel", 2, 3)
    assert shown.tiles.shape == [2, 2, 3]
    assert (shown.mean, shown.shape) == (5.5, [6, 2])


def test_a_histogram_counts_what_is_not_finite_apart() -> None:
    (found,) = spread({"l1": np.array([0.0, 1.0, 1.0, NAN])}).histograms
    assert (sum(found.counts), found.non_finite, len(found.counts), found.edges[0], found.edges[-1]) == (
        3,
        1,
        BINS,
        0,
        1,
    )
    (none,) = spread({"l1": np.array([NAN])}).histograms
    assert (none.counts, none.non_finite, none.mean) == ([0], 1, None)


def test_a_fit_is_drawn_over_the_range_of_its_points() -> None:
    x = np.array([[1.0], [3.0], [2.0]], dtype=np.float32)
    drawn = draw_fit(x, 2 * x, lambda line: line * 2)
    assert (drawn.x, drawn.y) == ([1.0, 3.0, 2.0], [2.0, 6.0, 4.0])
    assert (drawn.line_x[0], drawn.line_x[-1], drawn.line_y[0], drawn.line_y[-1]) == (1.0, 3.0, 2.0, 6.0)


def test_a_boundary_begins_at_the_top_left() -> None:
    points = np.array([[2.5, 0.0]], dtype=np.float32)
    drawn = draw_boundary((points, np.array([1.0])), None, lambda at: [("output", at[:, :1] + 10 * at[:, 1:])])
    grid = unpack(drawn.grid)
    assert (drawn.low, drawn.high, grid.shape) == (-3.0, 3.0, (GRID, GRID, 1))
    assert (grid[0, 0, 0], grid[-1, -1, 0]) == (-3 + 30, 3 - 30)
    assert drawn.layers[0][0].grid is not None
    assert drawn.layers[0][0].grid.shape == [NEURON_GRID, NEURON_GRID]


@pytest.mark.parametrize(
    ("y", "outputs", "labels"),
    [
        (np.array([0, 2, 1]), 3, [0, 2, 1]),
        (np.array([[0], [2], [1]]), 3, [0, 2, 1]),
        (np.eye(3), 3, [0, 1, 2]),
        (np.array([0, 3]), 3, None),
        (np.array([0.0, 1.0]), 2, None),
        (np.array([0, 1]), 1, None),
    ],
)
def test_targets_that_are_classes(y: Any, outputs: int, labels: list[int] | None) -> None:
    found = Scene(np.zeros((len(y), 1)), y).labels(outputs)
    assert (None if found is None else found.tolist()) == labels


def test_names_fit_or_are_numbers() -> None:
    scene = Scene(np.zeros((1, 1)), np.zeros(1), ("cat", "dog"))
    assert (scene.names(2), scene.names(3)) == (("cat", "dog"), ("0", "1", "2"))


def test_seeing_arrays_takes_the_first() -> None:
    need_tensorflow()
    found = see((np.arange(8).reshape(4, 2), np.arange(4)), classes="ab", limit=3)
    assert found is not None
    assert (len(found), found.x.shape, found.classes) == (3, (3, 2), ("a", "b"))
