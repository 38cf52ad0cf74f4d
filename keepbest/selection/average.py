"""The average of several models' values, variable by variable."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any


def average(values: Iterable[Any]) -> Any:
    """Return the mean of arrays of one form, the first being the best's.

    Summed in float64 (complex128) and cast back. What is no number with a fraction, such as a counter or the state of
    a seed generator, has no average: it is the first's.
    """
    import numpy as np

    arrays = iter(values)
    first = np.asarray(next(arrays))
    if not is_averaged(first):
        return first
    total = first.astype(np.complex128 if np.iscomplexobj(first) else np.float64)
    count = 1
    for array in arrays:
        total = total + np.asarray(array).astype(total.dtype)
        count += 1
    return (total / count).astype(first.dtype)


def is_averaged(array: Any) -> bool:
    """Whether `array` holds fractions; NumPy calls TensorFlow's small floats (bfloat16) neither real nor whole."""
    import numpy as np

    dtype = np.asarray(array).dtype
    return bool(np.issubdtype(dtype, np.inexact)) or "float" in dtype.name
