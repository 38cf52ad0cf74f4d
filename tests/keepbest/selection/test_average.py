"""Averages of values: exact in float64, cast back; counters and seeds are the first's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from keepbest.selection.average import average, is_averaged


@pytest.mark.parametrize(
    ("dtype", "arrays", "expected"),
    [
        ("float32", [[1, 2], [3, 5]], [2, 3.5]),
        ("float16", [[60000], [60000]], [60000]),  # the sum is no float16
        ("complex64", [[1 + 2j], [3]], [2 + 1j]),
        ("int64", [[7], [9]], [7]),
        ("uint32", [[1, 2], [3, 4]], [1, 2]),
        ("bool", [[True], [False]], [True]),
    ],
)
def test_the_mean_of_numbers_with_a_fraction(dtype: str, arrays: list[Any], expected: list[Any]) -> None:
    found = average([np.array(array, dtype) for array in arrays])
    assert (found.dtype.name, found.tolist()) == (dtype, expected)


def test_the_same_value_stays_to_the_last_bit() -> None:
    value = np.random.default_rng(1).standard_normal(1000).astype(np.float32)
    assert np.array_equal(average([value] * 7), value)


def test_small_floats_of_other_libraries_are_averaged_too() -> None:
    types = pytest.importorskip("ml_dtypes")
    found = average([np.array([1, 2], types.bfloat16), np.array([2, 4], types.bfloat16)])
    assert (found.dtype.name, found.astype(float).tolist()) == ("bfloat16", [1.5, 3])


def test_text_has_no_average() -> None:
    assert not is_averaged(np.array(["a"]))
