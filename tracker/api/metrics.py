"""Metrics: a summary of each, without reading its points."""

from __future__ import annotations

from flask import Blueprint

from keepbest.contract.validations import MetricList
from tracker.api.envelope import route_schema
from tracker.db import Connection
from tracker.store import runs
from tracker.store.metrics import metrics

blueprint = Blueprint("metrics", __name__)


@blueprint.get("/runs/<run>/metrics")
@route_schema(MetricList)
def list_metrics(conn: Connection, run: str) -> MetricList:
    """List a run's metrics with count, last, lowest and highest value."""
    return MetricList(metrics=metrics.list_summaries(conn, runs.get_run(conn, run).pk))
