"""Curves: of one metric of a run, or of many runs and metrics in one answer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import orjson
from flask import Blueprint, Response
from pydantic import Field

from keepbest.contract.base import Shape, Step
from keepbest.contract.curves import CurveError, Curves, CurvesRequest, RunSummaries
from keepbest.contract.names import MetricKey
from keepbest.contract.validations import Curve
from tracker import db
from tracker.api import access
from tracker.api.envelope import reply_json, route_schema, service
from tracker.db import Connection
from tracker.store import runs, segments
from tracker.store.metrics import axes, curves, metrics
from tracker.store.metrics.axes import Axis, Placed
from tracker.store.metrics.curves import Budget, Line, LinePoints, Window
from tracker.store.runs import RunRow

blueprint = Blueprint("curves", __name__)

Document = dict[str, Any]


class CurveQuery(Shape):
    """One metric; `from` and `to` are steps, both inclusive."""

    key: MetricKey
    first: Step | None = Field(default=None, alias="from")
    last: Step | None = Field(default=None, alias="to")
    max_points: int = Field(default=2000, ge=10, le=1_000_000)


@blueprint.get("/runs/<run>/curve")
@route_schema(Curve, query=CurveQuery)
def show_curve(conn: Connection, run: str, query: CurveQuery) -> Curve:
    """Return one metric's points, thinned to `max_points` without losing a peak, abandoned tails marked."""
    row = runs.get_run(conn, run)
    line = Line(row.pk, query.key, segments.read_path(conn, row.pk), row.best_step)
    return curves.read_curve(conn, line, Window(query.first, query.last, query.max_points))


@blueprint.post("/curves")
@route_schema(Curves, body=CurvesRequest, transact=False)
def show_curves(body: CurvesRequest) -> Response:
    """Return the curves of many runs and metrics, or what came after the steps in `after`; changes nothing."""
    with db.read(service().engine) as conn:
        answer = _read(conn, body)
    return reply_json(orjson.dumps(answer, option=orjson.OPT_SERIALIZE_NUMPY))


def _read(conn: Connection, body: CurvesRequest) -> Document:
    rows = {row.pk: row for row in runs.find_runs(conn, body.runs, access.principal())}
    lines = _make_lines(conn, body, rows)
    window = Window(body.first, body.last, body.max_points)
    budget = Budget()
    by_run = _read_axes(conn, body, rows, lines, window, budget)
    shown = [line for line in lines if line.run_pk in by_run]
    reads = curves.read_lines(conn, shown, window, ghosts=body.ghosts, budget=budget) if shown else ()
    return {
        "x": body.x,
        "curves": [_show(rows[read.line.run_pk].id, read, by_run[read.line.run_pk], body.precision) for read in reads],
        "errors": [error.model_dump() for error in _find_errors(body, rows, by_run)],
        "summaries": _read_summaries(conn, rows) if body.summaries else [],
    }


def _make_lines(conn: Connection, body: CurvesRequest, rows: Mapping[int, RunRow]) -> list[Line]:
    """Return each metric of each run, in the order asked."""
    paths = segments.read_paths(conn, list(rows))
    return [
        Line(pk, key, paths[pk], row.best_step, body.after.get(row.id, {}).get(key))
        for pk, row in rows.items()
        for key in dict.fromkeys(body.keys)
    ]


def _read_axes(
    conn: Connection,
    body: CurvesRequest,
    rows: Mapping[int, RunRow],
    lines: Sequence[Line],
    window: Window,
    budget: Budget,
) -> Mapping[int, Axis]:
    """Return the axis of each run that has what `x` names."""
    if body.x == "relative":
        return {pk: axes.make_time_axis((row.started_at or row.created_at).timestamp()) for pk, row in rows.items()}
    if body.x == "wall":
        return dict.fromkeys(rows, axes.make_time_axis(0.0))
    if body.x == "epoch":
        return axes.read_epoch_axes(conn, list(rows))
    metric = axes.metric_of(body.x)
    return (
        dict.fromkeys(rows, axes.place_by_step)
        if metric is None
        else axes.read_metric_axes(conn, lines, metric, window, ghosts=body.ghosts, budget=budget)
    )


def _find_errors(body: CurvesRequest, rows: Mapping[int, RunRow], by_run: Mapping[int, Axis]) -> Iterator[CurveError]:
    known = {row.id: pk for pk, row in rows.items()}
    metric = axes.metric_of(body.x)
    absent = "No validation of the run says its epoch." if metric is None else f"The run has no metric {metric!r}."
    for run in dict.fromkeys(body.runs):
        if run not in known:
            yield CurveError(run=run, message=f"There is no run {run!r}; it may have been deleted.")
        elif known[run] not in by_run:
            yield CurveError(run=run, message=absent)


def _read_summaries(conn: Connection, rows: Mapping[int, RunRow]) -> list[Document]:
    known = metrics.read_summaries(conn, list(rows))
    return [RunSummaries(run=row.id, metrics=known.get(pk, [])).model_dump(mode="json") for pk, row in rows.items()]


def _show(run: str, read: LinePoints, axis: Axis, precision: str) -> Document:
    is_counted = read.has_one_step
    if is_counted and axis is axes.place_by_step:
        axis = axes.make_count_axis(read.total)
    placed = [axis(piece) for piece in read.pieces]
    alive = [part for part in placed if not part.piece.ghost]
    ghosts = [{"segment": part.piece.segment, **_columns([part], precision)} for part in placed if part.piece.ghost]
    about = {"run": run, "key": read.line.key, "total": read.total, "is_counted": is_counted}
    return {**about, **_columns(alive, precision), "ghosts": ghosts}


def _columns(parts: Sequence[Placed], precision: str) -> Document:
    points = [part.piece.points for part in parts]
    xs = [part.x for part in parts if part.x is not None]
    values = _join([some.values for some in points])
    return {
        "steps": _join([some.steps for some in points]),
        "x": _encode(_join(xs)) if xs else None,
        "values": _encode(_to_single(values) if precision == "single" else values),
    }


def _join(columns: Sequence[Any]) -> Any:
    return columns[0] if len(columns) == 1 else np.concatenate(columns) if columns else []


def _to_single(values: Any) -> Any:
    """Return the values in 32 bits, unless one of them is too large for that."""
    with np.errstate(over="ignore"):
        single = np.asarray(values, np.float32)
    return single if bool((np.isfinite(single) == np.isfinite(values)).all()) else values


def _encode(values: Any) -> Any:
    """Return the values as JSON takes them: what is not finite by its name, as in all answers."""
    if bool(np.isfinite(values).all()):
        return values
    return [value if np.isfinite(value) else _name(value) for value in np.asarray(values, float).tolist()]


def _name(value: float) -> str:
    return "NaN" if np.isnan(value) else "Infinity" if value > 0 else "-Infinity"
