"""Metrics: a summary of each, and curves for charts."""

from __future__ import annotations

from flask import Blueprint
from pydantic import Field

from keepbest.contract.base import Shape, Step
from keepbest.contract.names import MetricKey
from keepbest.contract.validations import Curve, MetricList
from tracker.api.envelope import route_schema
from tracker.db import Connection
from tracker.store import runs, segments
from tracker.store.metrics import metrics
from tracker.store.metrics.metrics import Window

blueprint = Blueprint("metrics", __name__)


class CurveQuery(Shape):
    """One metric; `from` and `to` are steps, both inclusive."""

    key: MetricKey
    first: Step | None = Field(default=None, alias="from")
    last: Step | None = Field(default=None, alias="to")
    max_points: int = Field(default=2000, ge=10, le=1_000_000)


@blueprint.get("/runs/<run>/metrics")
@route_schema(MetricList)
def list_metrics(conn: Connection, run: str) -> MetricList:
    """List a run's metrics with count, last, lowest and highest value."""
    return MetricList(metrics=metrics.list_summaries(conn, runs.get_run(conn, run).pk))


@blueprint.get("/runs/<run>/curve")
@route_schema(Curve, query=CurveQuery)
def show_curve(conn: Connection, run: str, query: CurveQuery) -> Curve:
    """Return one metric's points, thinned to `max_points` without losing a peak, abandoned tails marked."""
    row = runs.get_run(conn, run)
    window = Window(query.first, query.last, query.max_points, row.best_step)
    return metrics.read_curve(conn, row.pk, query.key, window, segments.read_path(conn, row.pk))
