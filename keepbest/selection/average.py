"""The average of several models' values, out of their running sum: one model after another, none of them held."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any


class Sum:
    """The sum of models' values, variable by variable, in float64 (complex128), in the order in which they came.

    What is no number with a fraction, such as a counter or the state of a seed generator, has no sum.
    """

    def __init__(self) -> None:
        self.count = 0
        self._sums: list[Any] = []

    def add(self, values: Iterable[Any]) -> None:
        """Add a model's values; they are asked for one at a time, and let go."""
        if self.count == 0:
            self._sums = [_widen(value) if is_averaged(value) else None for value in values]
        else:
            for place, (total, value) in enumerate(zip(self._sums, values, strict=True)):
                if total is not None:
                    self._sums[place] = total + _widen(value)
        self.count += 1

    def average_with(self, values: Iterable[Any]) -> Iterator[Any]:
        """Yield the mean of those added and of one model more, variable by variable, in its types.

        None stands for what has no average. The sum stays what it is.
        """
        import numpy as np

        for total, value in zip(self._sums, values, strict=True):
            known = np.asarray(value)
            yield None if total is None else ((total + _widen(known)) / (self.count + 1)).astype(known.dtype)


def is_averaged(array: Any) -> bool:
    """Whether `array` holds fractions; NumPy calls TensorFlow's small floats (bfloat16) neither real nor whole."""
    import numpy as np

    dtype = np.asarray(array).dtype
    return bool(np.issubdtype(dtype, np.inexact)) or "float" in dtype.name


def _widen(value: Any) -> Any:
    """Return a copy in which sums of many are exact enough."""
    import numpy as np

    array = np.asarray(value)
    return array.astype(np.complex128 if np.iscomplexobj(array) else np.float64)
