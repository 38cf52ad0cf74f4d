"""Metrics as logs bring them: Python's numbers, NumPy's, tensors, and vectors such as F1 by class.

A vector `f1` of three becomes `f1[0]`, `f1[1]`, `f1[2]` and their mean, `f1[mean]`: each is a curve, and any of them
can be monitored. A vector of one number is that number.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from typing import Any

from keepbest.errors import InvalidInput, MetricMissing
from keepbest.training.monitor import missing_metric

#: A larger array is no metric by class, but a picture: it is left out, with a warning.
MAX_PARTS = 100
#: So many epochs without any validation may just be `validation_freq`.
PATIENT_EPOCHS = 10

_log = logging.getLogger("keepbest")


def flatten(logs: Mapping[str, Any]) -> dict[str, Any]:
    """Return every number under a name of its own, as a float; what is none stays as it is."""
    return {name: number for key, value in logs.items() for name, number in _parts(key, value)}


def shape_of(value: Any) -> tuple[int, ...]:
    """Return the shape of an array, a tensor or a list of numbers; of a plain number, and of no array, ()."""
    if isinstance(value, int | float | str) or value is None:
        return ()
    array = _as_array(value)
    return () if array is None or array.size == 1 else tuple(array.shape)


class Monitored:
    """The metric that a fit is judged by: found in the logs of each epoch, or said to be missing."""

    def __init__(self, name: str) -> None:
        self.name = name
        #: Whether it ever came.
        self.came = False
        self._missing = 0
        self._is_warned = False

    def read(self, logs: Mapping[str, Any], *, was_validated: bool) -> float | None:
        """Return its value, or None in an epoch that does not measure it.

        Where that goes on it is said once: at once in an epoch that was validated, else after some epochs.

        Raises InvalidInput where it is no number.
        """
        value = flatten(logs).get(self.name)
        if isinstance(value, float):
            self.came, self._missing, self._is_warned = True, 0, False
            return value
        if logs.get(self.name) is not None:
            raise _refuse(self.name, logs[self.name])
        self._missing += 1
        expected = was_validated or not self.name.startswith("val_")
        if not self._is_warned and (expected or self._missing >= PATIENT_EPOCHS):
            self._is_warned = True
            error = missing_metric(self.name, flatten(logs), "This epoch was not judged")
            _log.warning("keepbest: %s %s", error.message, error.hint)
        return None

    def find_fault(self, logs: Mapping[str, Any]) -> MetricMissing | None:
        """Return the error that ends a fit in which it never came."""
        return None if self.came else missing_metric(self.name, flatten(logs), "No epoch was judged")


def _parts(key: str, value: Any) -> Iterator[tuple[str, Any]]:
    array = None if value is None or isinstance(value, str) else _as_array(value)
    if array is None or array.size > MAX_PARTS:
        yield key, value
    elif array.size == 1:
        yield key, float(array.reshape(()))
    else:
        for index, number in _numbered(array):
            yield f"{key}[{','.join(map(str, index))}]", number
        yield f"{key}[mean]", float(array.mean())


def _numbered(array: Any) -> Iterator[tuple[tuple[int, ...], float]]:
    import numpy as np

    return ((index, float(number)) for index, number in np.ndenumerate(array))


def _as_array(value: Any) -> Any:
    """Return numbers as an array of float64, or None where they are none."""
    import numpy as np

    try:
        array = np.asarray(value)
        numbers = array.astype(np.float64) if array.dtype.kind != "c" else array[:0]
    except (TypeError, ValueError, OverflowError, IndexError):
        return None
    return numbers if numbers.size else None


def _refuse(name: str, value: Any) -> InvalidInput:
    shape = shape_of(value)
    if not shape:
        return InvalidInput(f"The monitored {name!r} is not a number, but {value!r:.100}.", field="monitor")
    last = ",".join(str(size - 1) for size in shape)
    first = ",".join("0" for _ in shape)
    return InvalidInput(
        f"The monitored {name!r} is not one number, but of shape {shape}.",
        field="monitor",
        hint=f"Monitor one of its parts, {name}[{first}] to {name}[{last}], or their mean: monitor='{name}[mean]'.",
    )
