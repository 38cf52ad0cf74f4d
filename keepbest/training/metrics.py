"""Reads the metrics in logs: Python's numbers, NumPy's, tensors, and vectors such as F1 by class.

A vector `f1` of three becomes `f1[0]`, `f1[1]`, `f1[2]` and their mean, `f1[mean]`. Each is a curve, and any of them
may be the monitor. A vector of one number is that number.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from typing import Any

from keepbest.errors import InvalidInput, MetricMissing
from keepbest.training.monitor import missing_metric

#: The most numbers of a metric by class: a larger array is probably a picture, and stays as it is.
MAX_PARTS = 100
#: The epochs without a validation before the warning: `validation_freq` may explain fewer.
PATIENT_EPOCHS = 10

_log = logging.getLogger("keepbest")


def flatten(logs: Mapping[str, Any]) -> dict[str, Any]:
    """Return every number as a float under a name of its own; any other value stays as it is."""
    return {name: number for key, value in logs.items() for name, number in _parts(key, value)}


def shape_of(value: Any) -> tuple[int, ...]:
    """Return the shape of an array, a tensor or a list of numbers; () for a plain number and any other value."""
    if isinstance(value, int | float | str) or value is None:
        return ()
    array = _as_array(value)
    return () if array is None or array.size == 1 else tuple(array.shape)


class Monitored:
    """Finds the monitored metric in the logs of each epoch, or warns that it is missing."""

    def __init__(self, name: str) -> None:
        self.name = name
        #: Whether any epoch had the metric.
        self.came = False
        self._missing = 0
        self._is_warned = False

    def read(self, logs: Mapping[str, Any], *, was_validated: bool) -> float | None:
        """Return the metric's value, or None in an epoch without it.

        This warns once: at once if the epoch was validated, else after some epochs.

        Raises InvalidInput if the value is no number.
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
        """Return the error for a fit in which no epoch had the metric, or None."""
        return None if self.came else missing_metric(self.name, flatten(logs), "No epoch was judged")


def _parts(key: str, value: Any) -> Iterator[tuple[str, Any]]:
    array = None if value is None or isinstance(value, str) else _as_array(value)
    if array is None or array.size > MAX_PARTS:
        yield key, value
    elif array.size == 1:
        yield key, float(array.reshape(()))
    else:
        import numpy as np

        for index, number in np.ndenumerate(array):
            yield f"{key}[{','.join(map(str, index))}]", float(number)
        yield f"{key}[mean]", float(array.mean())


def _as_array(value: Any) -> Any:
    """Return numbers as an array of float64, or None if `value` holds no numbers."""
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
