"""The average of several models' values, from their running sum: no two models are in memory at once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any


class Sum:
    """The sum of models' values, variable by variable, in float64 (complex128), in the order of `add`.

    A variable without fractions, such as a counter or the state of a seed generator, has no sum.
    """

    def __init__(self) -> None:
        self.count = 0
        self._sums: list[Any] = []

    def add(self, values: Iterable[Any]) -> None:
        """Add a model's values, with only one of them in memory at a time."""
        if self.count == 0:
            self._sums = [_widen(value) if is_averaged(value) else None for value in values]
        else:
            for place, (total, value) in enumerate(zip(self._sums, values, strict=True)):
                if total is not None:
                    self._sums[place] = total + _widen(value)
        self.count += 1

    def average_with(self, values: Iterable[Any]) -> Iterator[Any]:
        """Yield the mean of the added models and one more, variable by variable, in the types of `values`.

        Yields None for a variable that has no average. The sum does not change.
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
    """Return a copy in a type that is precise enough for sums of many."""
    import numpy as np

    array = np.asarray(value)
    return array.astype(np.complex128 if np.iscomplexobj(array) else np.float64)
