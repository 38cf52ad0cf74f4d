"""Sweeps: creates, lists, shows and cancels them, and says which parameters matter."""

from __future__ import annotations

from flask import Blueprint
from pydantic import Field

from keepbest.contract.base import Shape
from keepbest.contract.sweeps import Sweep, SweepImportance, SweepPage, SweepRequest, SweepRuns, SweepState
from tracker import db
from tracker.api.access import principal
from tracker.api.envelope import now, route_schema, service
from tracker.api.runs import read_key
from tracker.db import Connection
from tracker.services import samplers
from tracker.store.sweeps import sweeps

blueprint = Blueprint("sweeps", __name__)


class SweepQuery(Shape):
    project: str | None = Field(default=None, max_length=100)
    state: SweepState | None = None
    cursor: str | None = Field(default=None, max_length=2000)
    limit: int = Field(default=50, ge=1, le=200)


@blueprint.get("/sweeps")
@route_schema(SweepPage, query=SweepQuery)
def list_sweeps(conn: Connection, query: SweepQuery) -> SweepPage:
    """List sweeps, the newest first."""
    return sweeps.list_sweeps(conn, project=query.project, state=query.state, cursor=query.cursor, limit=query.limit)


@blueprint.post("/sweeps")
@route_schema(Sweep, body=SweepRequest, status=201)
def create_sweep(conn: Connection, body: SweepRequest) -> Sweep:
    """Begin a sweep; the scheduler makes its runs. Sent again under the same `Idempotency-Key`, it is the same."""
    return sweeps.create(conn, body, user=principal().user, key=read_key(), now=now())


@blueprint.get("/sweeps/<sweep>")
@route_schema(SweepRuns)
def show_sweep(conn: Connection, sweep: str) -> SweepRuns:
    """Show a sweep and every run of it with its parameters."""
    return sweeps.list_runs(conn, sweeps.get_sweep(conn, sweep))


@blueprint.get("/sweeps/<sweep>/importance")
@route_schema(SweepImportance, transact=False)
def show_importance(sweep: str) -> SweepImportance:
    """Say which parameters made the difference, as far as the runs so far tell."""
    with db.read(service().engine) as conn:
        known = sweeps.list_runs(conn, sweeps.get_sweep(conn, sweep))
    return samplers.weigh(known.sweep.space, known.sweep.mode, known.runs)


@blueprint.post("/sweeps/<sweep>/cancel")
@route_schema(Sweep)
def cancel_sweep(conn: Connection, sweep: str) -> Sweep:
    """End a sweep, and every run of it that has not ended."""
    row = sweeps.cancel(conn, sweeps.get_sweep(conn, sweep, lock=True), user=principal().user, now=now())
    return sweeps.show(conn, [row])[0]
