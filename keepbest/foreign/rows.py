"""Gathers values that come row by row into columns."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from keepbest.foreign.foreign_run import Points

#: Values that are gathered before they are handed on.
_MANY = 20_000


@dataclass(slots=True)
class RowPoints:
    """Steps, values and moments of each metric, since they were last taken.

    Example:
        >>> points = RowPoints()
        >>> points.add("loss", 1, 0.5, 10.0)
        >>> [(part.key, part.steps.tolist()) for part in points.take_all()]
        [('loss', [1])]
    """

    _columns: dict[str, list[tuple[int, float, float]]] = field(default_factory=dict)
    _count: int = 0

    def add(self, key: str, step: int, value: float, at: float) -> None:
        """Add one value."""
        self._columns.setdefault(key, []).append((step, value, at))
        self._count += 1

    def take_full(self) -> Iterator[Points]:
        """Yield the columns once there are many values in them."""
        if self._count >= _MANY:
            yield from self.take_all()

    def take_all(self) -> Iterator[Points]:
        """Yield the columns, and begin anew."""
        columns, self._columns, self._count = self._columns, {}, 0
        for key, rows in columns.items():
            steps, values, times = zip(*rows, strict=True)
            yield Points(key, np.array(steps, np.int64), np.array(values, np.float64), np.array(times, np.float64))
