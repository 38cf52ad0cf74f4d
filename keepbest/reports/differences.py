"""How runs differ: parameters, environment and metrics, a row for each name and a cell for each run."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from keepbest.contract.comparisons import ComparedMetric
from keepbest.contract.names import SYSTEM
from keepbest.stopping.validation import Mode


@dataclass(frozen=True, slots=True)
class ComparedRow:
    """One name, and what each run has there; None where a run has nothing. `mode` says which value is the best."""

    name: str
    values: tuple[Any, ...]
    mode: Mode | None = None

    @property
    def differs(self) -> bool:
        return any(not _same(value, self.values[0]) for value in self.values[1:])

    @property
    def deltas(self) -> tuple[float | None, ...]:
        """Each value less the first; None where one of both is no finite number."""
        return tuple(_delta(value, self.values[0]) for value in self.values)

    @property
    def best(self) -> int | None:
        """The place of the best value; None where the direction is not known, or all are the same."""
        finite = {place: value for place, value in enumerate(self.values) if _is_finite(value)}
        if self.mode is None or len(set(finite.values())) < 2:
            return None
        choose = min if self.mode == "min" else max
        return choose(finite, key=lambda place: finite[place])


def compare_fields(sides: Sequence[Mapping[str, Any]]) -> list[ComparedRow]:
    """Return a row for each name that one of the sides has, those that differ first.

    >>> [row.name for row in compare_fields([{"a": 1, "b": 2}, {"a": 1, "b": 3}])]
    ['b', 'a']
    """
    flat = [dict(_flatten(side)) for side in sides]
    names = dict.fromkeys(name for side in flat for name in side)
    rows = [ComparedRow(name, tuple(side.get(name) for side in flat)) for name in names]
    return sorted(rows, key=lambda row: not row.differs)


def compare_metrics(metrics: Sequence[ComparedMetric]) -> tuple[list[ComparedRow], list[ComparedRow]]:
    """Return a row of the best and a row of the last values for each metric, without the machine's own metrics.

    A metric whose direction is not known has no best.
    """
    shown = [metric for metric in metrics if not metric.key.startswith(SYSTEM)]
    best = [
        _row(metric, [cell.best if cell else None for cell in metric.cells])
        for metric in shown
        if metric.mode is not None
    ]
    last = [_row(metric, [cell.last if cell else None for cell in metric.cells]) for metric in shown]
    return best, last


def _row(metric: ComparedMetric, values: Sequence[float | None]) -> ComparedRow:
    return ComparedRow(metric.key, tuple(values), metric.mode)


def _flatten(side: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the values of a document by dotted name; a list is one value."""
    for name, value in side.items():
        if isinstance(value, Mapping) and value:
            yield from _flatten(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _same(value: Any, other: Any) -> bool:
    both_nan = isinstance(value, float) and isinstance(other, float) and math.isnan(value) and math.isnan(other)
    return both_nan or (value == other and isinstance(value, bool) == isinstance(other, bool))


def _is_finite(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _delta(value: Any, first: Any) -> float | None:
    return value - first if _is_finite(value) and _is_finite(first) else None
