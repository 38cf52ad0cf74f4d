"""Comparisons: runs side by side in one answer."""

from __future__ import annotations

from flask import Blueprint

from keepbest.contract.comparisons import ComparisonRequest, RunComparison
from tracker import db
from tracker.api import access
from tracker.api.envelope import route_schema, service
from tracker.services import comparisons

blueprint = Blueprint("comparisons", __name__)


@blueprint.post("/comparisons")
@route_schema(RunComparison, body=ComparisonRequest, transact=False)
def compare_runs(body: ComparisonRequest) -> RunComparison:
    """Return runs with their metrics, the parameters that differ and their importance; changes nothing."""
    with db.read(service().engine) as conn:
        compared, summaries = comparisons.gather(conn, body.runs, access.principal())
    return comparisons.compare(body.runs, compared, summaries)
