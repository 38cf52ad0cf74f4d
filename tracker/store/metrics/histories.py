"""Histories: every point of a metric, of all segments, as it was sent; thinned nowhere."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, select

from keepbest.contract.base import MAX_WHOLE
from keepbest.errors import TooLarge
from tracker.models import MetricChunkTable
from tracker.store.metrics import chunks
from tracker.store.metrics.chunks import PointColumns
from tracker.store.metrics.curves import MAX_READ


def read_history(conn: Connection, run_pk: int, key: str) -> PointColumns:
    """Return the points of a run's metric in order of time, then step, then value; the same point twice is one.

    Raises TooLarge for more points than one request reads.
    """
    return read_histories(conn, [run_pk], key)[0]


def read_histories(
    conn: Connection, run_pks: Sequence[int], key: str, *, first: int | None = None, last: int | None = None
) -> list[PointColumns]:
    """Return the points of one metric of each of these runs, each in the order of `read_history`.

    Args:
        conn: An open transaction.
        run_pks: The runs.
        key: The metric.
        first: The first step that is wanted.
        last: The last one.

    Raises TooLarge for more points, of all runs together, than one request reads.
    """
    read, left = [], MAX_READ
    for run_pk in run_pks:
        points, left = _read(conn, run_pk, key, (first or 0, MAX_WHOLE if last is None else last), left)
        read.append(_in_order_of_time(points))
    return read


def choose_steps(histories: Sequence[PointColumns], most: int) -> list[PointColumns]:
    """Return of each history its points at the same steps: at most so many of those that they have together.

    The steps are evenly chosen, with the first and the last. What is left is in order of step, then of time.
    """
    steps = np.unique(np.concatenate([np.unique(history.steps) for history in histories]))
    if len(steps) > most:
        steps = steps[np.unique(np.linspace(0, len(steps) - 1, most).round().astype(int))]
    return [_at(history, steps) for history in histories]


def _at(history: PointColumns, steps: NDArray[np.int64]) -> PointColumns:
    chosen = history.take(np.isin(history.steps, steps))
    return chosen.take(np.argsort(chosen.steps, kind="stable"))


def _read(conn: Connection, run_pk: int, key: str, steps: tuple[int, int], left: int) -> tuple[PointColumns, int]:
    """Return the points of a run between two steps as they arrived, and how many more may be read."""
    table = MetricChunkTable
    meets = (table.last_step >= steps[0], table.first_step <= steps[1])
    query = select(table.count.label("points"), table.encoding, table.data).where(
        table.run_pk == run_pk, table.key == key, *meets
    )
    read = []
    with conn.execute(query.order_by(table.pk).execution_options(yield_per=100)) as rows:
        for row in rows:
            left -= row.points
            if left < 0:
                hint = "Ask for fewer runs or steps: metrics/get-history-bulk-interval has start_step and end_step."
                raise TooLarge(f"The metric {key!r} has more than {MAX_READ:,} points.", hint=hint)
            read.append(chunks.decode(row.data, row.encoding, row.points))
    points = chunks.join(read)
    inside = (points.steps >= steps[0]) & (points.steps <= steps[1])
    return (points if inside.all() else points.take(inside)), left


def _in_order_of_time(points: PointColumns) -> PointColumns:
    goes_on = (np.diff(points.times) > 0) | ((np.diff(points.times) == 0) & (np.diff(points.steps) > 0))
    if goes_on.all():  # as nearly always, and a million points are sorted slowly
        return points
    bits = points.values.view(np.int64)
    ordered = points.take(np.lexsort((bits, points.values, points.steps, points.times)))
    bits = ordered.values.view(np.int64)
    same = (np.diff(ordered.times) == 0) & (np.diff(ordered.steps) == 0) & (np.diff(bits) == 0)
    return ordered.take(np.concatenate([[True], ~same])) if same.any() else ordered
