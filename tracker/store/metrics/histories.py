"""Histories: every point of a metric, of all segments, as it was sent; thinned nowhere."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from sqlalchemy import Connection, select

from keepbest.errors import TooLarge
from tracker.models import MetricChunkTable
from tracker.store.metrics import chunks
from tracker.store.metrics.chunks import PointColumns
from tracker.store.metrics.curves import MAX_READ


def read_history(
    conn: Connection, run_pk: int, key: str, *, first: int | None = None, last: int | None = None
) -> PointColumns:
    """Return the points in order of time, then step, then value; the same point twice is one.

    Args:
        conn: An open transaction.
        run_pk: The run.
        key: The metric.
        first: The first step that is wanted.
        last: The last one.

    Raises TooLarge for more points than one request reads.
    """
    table = MetricChunkTable
    query = select(table.count.label("points"), table.encoding, table.data).where(
        table.run_pk == run_pk, table.key == key
    )
    if first is not None:
        query = query.where(table.last_step >= first)
    if last is not None:
        query = query.where(table.first_step <= last)
    read = []
    left = MAX_READ
    for row in conn.execute(query.order_by(table.pk).execution_options(yield_per=100)):
        left -= row.points
        if left < 0:
            hint = "Ask for fewer steps: metrics/get-history-bulk-interval has start_step and end_step."
            raise TooLarge(f"The metric {key!r} has more than {MAX_READ:,} points.", hint=hint)
        read.append(chunks.decode(row.data, row.encoding, row.points))
    points = chunks.join(read)
    if first is not None or last is not None:
        points = points.take(
            (points.steps >= (first or 0)) & (points.steps <= (last if last is not None else 2**63 - 1))
        )
    return _in_order_of_time(points)


def choose_steps(points: PointColumns, most: int) -> Sequence[int]:
    """Return at most so many of the steps, evenly chosen, with the first and the last."""
    steps = np.unique(points.steps)
    if len(steps) > most:
        steps = steps[np.linspace(0, len(steps) - 1, most).round().astype(int)]
    return [int(step) for step in np.unique(steps)]


def _in_order_of_time(points: PointColumns) -> PointColumns:
    goes_on = (np.diff(points.times) > 0) | ((np.diff(points.times) == 0) & (np.diff(points.steps) > 0))
    if goes_on.all():  # as nearly always, and a million points are sorted slowly
        return points
    bits = points.values.view(np.int64)
    ordered = points.take(np.lexsort((bits, points.values, points.steps, points.times)))
    bits = ordered.values.view(np.int64)
    same = (np.diff(ordered.times) == 0) & (np.diff(ordered.steps) == 0) & (np.diff(bits) == 0)
    return ordered.take(np.concatenate([[True], ~same])) if same.any() else ordered
