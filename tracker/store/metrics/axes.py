"""The x of a curve's points: its epochs, its seconds, or another metric at the same step."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from sqlalchemy import Connection, select

from keepbest.contract.curves import METRIC_AXIS
from tracker.models import ValidationTable
from tracker.store.metrics import curves
from tracker.store.metrics.chunks import Floats, PointColumns, Steps, join
from tracker.store.metrics.curves import Budget, Line, Window
from tracker.store.metrics.pieces import Piece

#: Milliseconds are what a chart over time shows.
_DIGITS = 3


@dataclass(frozen=True, slots=True)
class Placed:
    """A piece with the x of its points; `x` is None where that is the step."""

    piece: Piece
    x: Floats | None


#: Places a piece; points that have no x are left out.
Axis = Callable[[Piece], Placed]


def place_by_step(piece: Piece) -> Placed:
    """Place a piece on the steps themselves."""
    return Placed(piece, None)


def make_count_axis(total: int) -> Axis:
    """Return the axis of points that all have one step: their number, from 0; of thinned points it is nearly that."""
    return lambda piece: Placed(piece, np.linspace(0, total - 1, len(piece.points)).round())


def make_time_axis(origin: float) -> Axis:
    """Return the axis of seconds since `origin`, which is in Unix time."""
    return lambda piece: Placed(piece, (piece.points.times - origin).round(_DIGITS))


def read_epoch_axes(conn: Connection, run_pks: Sequence[int]) -> dict[int, Axis]:
    """Return the axis of epochs of each run whose validations say their epoch; between them it is straight."""
    table = ValidationTable
    query = select(table.run_pk, table.step, table.epoch).where(
        table.run_pk.in_(run_pks), table.epoch.is_not(None), table.step > 0
    )
    known: dict[int, dict[int, float]] = {}
    for row in conn.execute(query.order_by(table.pk)):
        known.setdefault(row.run_pk, {0: 0.0})[row.step] = row.epoch
    return {run_pk: _make_epoch_axis(epochs) for run_pk, epochs in known.items()}


def read_metric_axes(
    conn: Connection, lines: Sequence[Line], key: str, window: Window, *, ghosts: bool = True, budget: Budget
) -> dict[int, Axis]:
    """Return, of each run of `lines` that has the metric `key`, the axis of its values.

    A point has the metric's last value at or before its step; a point before the first one has none. Of the metric,
    the points are read that the lines need, within the request's `budget`.
    """
    runs: dict[int, list[Line]] = {}
    for line in lines:
        runs.setdefault(line.run_pk, []).append(line)
    wanted = [
        Line(pk, key, own[0].path, reaches_to=min(_find_first(line, window) for line in own))
        for pk, own in runs.items()
    ]
    every = Window(last_step=window.last_step, max_points=curves.MAX_READ)
    reads = curves.read_lines(conn, wanted, every, ghosts=ghosts, budget=budget)
    return {read.line.run_pk: _make_metric_axis(read.pieces) for read in reads}


def _find_first(line: Line, window: Window) -> int:
    """Return the first step of a line that may be read."""
    return max(window.first_step or 0, 0 if line.after is None else line.after + 1)


def metric_of(axis: str) -> str | None:
    """Return the metric that an axis names, or None where it names none."""
    return axis.removeprefix(METRIC_AXIS) if axis.startswith(METRIC_AXIS) else None


def _make_epoch_axis(epochs: dict[int, float]) -> Axis:
    steps = np.array(sorted(epochs), float)
    values = np.array([epochs[step] for step in sorted(epochs)])
    pace = (values[-1] - values[-2]) / (steps[-1] - steps[-2])

    def place(piece: Piece) -> Placed:
        at = piece.points.steps.astype(float)
        beyond = np.maximum(at - steps[-1], 0.0)
        return Placed(piece, np.interp(at, steps, values) + beyond * pace)

    return place


def _make_metric_axis(pieces: Sequence[Piece]) -> Axis:
    alive = join([piece.points for piece in pieces if not piece.ghost]).in_order()

    def place(piece: Piece) -> Placed:
        own = [other.points for other in pieces if other.segment == piece.segment]
        points = join(own).in_order() if piece.ghost else alive
        return _join_by_step(piece, points.steps, points.values)

    return place


def _join_by_step(piece: Piece, steps: Steps, values: Floats) -> Placed:
    places = np.searchsorted(steps, piece.points.steps, side="right") - 1
    has_x = places >= 0
    points: PointColumns = piece.points.take(has_x)
    return Placed(Piece(piece.segment, piece.ghost, points), values[places[has_x]])
