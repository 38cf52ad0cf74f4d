"""Averages of values: summed in float64, cast back, one model at a time; counters and seeds have none."""

from __future__ import annotations

import weakref
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pytest

from keepbest.selection.average import Sum


def average(arrays: Sequence[Any]) -> Any:
    """Return the mean of models with one variable."""
    total = Sum()
    for array in arrays[:-1]:
        total.add([array])
    (mean,) = total.average_with([arrays[-1]])
    return mean


@pytest.mark.parametrize(
    ("dtype", "arrays", "expected"),
    [
        ("float32", [[1, 2], [3, 5]], [2, 3.5]),
        ("float16", [[60000], [60000]], [60000]),  # the sum is no float16
        ("complex64", [[1 + 2j], [3]], [2 + 1j]),
    ],
)
def test_the_mean_of_numbers_with_a_fraction(dtype: str, arrays: list[Any], expected: list[Any]) -> None:
    found = average([np.array(array, dtype) for array in arrays])
    assert (found.dtype.name, found.tolist()) == (dtype, expected)


def test_the_same_value_stays_to_the_last_bit() -> None:
    value = np.random.default_rng(1).standard_normal(1000).astype(np.float32)
    assert np.array_equal(average([value] * 7), value)


@pytest.mark.parametrize("dtype", ["int64", "uint32", "bool", "str"])
def test_what_has_no_fraction_has_no_average(dtype: str) -> None:
    assert average([np.array([1, 0]).astype(dtype)] * 2) is None


def test_the_sum_is_from_the_left_and_stays_what_it_was() -> None:
    """A soup asks for one average after another of the same sum."""
    models = [np.random.default_rng(seed).standard_normal(1000).astype(np.float32) for seed in range(4)]
    total = Sum()
    for model in models[:2]:
        total.add([model])
    for last in models[2:]:
        expected = sum((one.astype(np.float64) for one in (*models[1:2], last)), models[0].astype(np.float64)) / 3
        (found,) = total.average_with([last])
        assert np.array_equal(found, expected.astype(np.float32))


def test_no_value_is_held_while_the_next_ones_are_read() -> None:
    """Bug: while it averaged, all candidates were in memory at once."""
    alive: set[int] = set()
    most = 0

    def read(count: int) -> Iterator[Any]:
        nonlocal most
        for _ in range(count):
            value = np.ones(8, np.float64)  # the type of the sum: a conversion without a copy would keep it
            alive.add(id(value))
            weakref.finalize(value, alive.discard, id(value))
            most = max(most, len(alive))
            yield value
            del value

    total = Sum()
    for _ in range(5):
        total.add(read(20))
    for _ in total.average_with(read(20)):
        pass
    assert most <= 3  # one is added, one is being read, one a loop may still name
    assert not alive


def test_models_of_other_sizes_are_refused() -> None:
    total = Sum()
    total.add([np.ones(2)])
    for use in (total.add, lambda values: list(total.average_with(values))):
        with pytest.raises(ValueError, match="shorter"):
            use([])


def test_small_floats_of_other_libraries_are_averaged_too() -> None:
    types = pytest.importorskip("ml_dtypes")
    found = average([np.array([1, 2], types.bfloat16), np.array([2, 4], types.bfloat16)])
    assert (found.dtype.name, found.astype(float).tolist()) == ("bfloat16", [1.5, 3])
