"""Actions on many runs, and the queue."""

from __future__ import annotations

from flask import Blueprint
from pydantic import Field

from keepbest.contract.actions import ActionResults, Queue, QueuePlace, RunsAction
from keepbest.contract.base import Shape
from keepbest.contract.runs import Run
from tracker.api.access import principal
from tracker.api.envelope import now, route_schema, service
from tracker.db import Connection
from tracker.services import actions
from tracker.store import queue, runs

blueprint = Blueprint("actions", __name__)


class QueueQuery(Shape):
    limit: int = Field(default=100, ge=1, le=500)


@blueprint.post("/runs/actions")
@route_schema(ActionResults, body=RunsAction, transact=False)
def act_on_runs(body: RunsAction) -> ActionResults:
    """Stop, pause, cancel, delete, undelete, tag, untag, move or reorder many runs, by ids or by a filter."""
    return actions.act(service().settings, service().engine, body, principal=principal(), now=now())


@blueprint.get("/queue")
@route_schema(Queue, query=QueueQuery)
def show_queue(conn: Connection, query: QueueQuery) -> Queue:
    """List the queued runs in the order in which workers take them."""
    return queue.list_queue(conn, query.limit, principal=principal())


@blueprint.put("/queue/<run>")
@route_schema(Run, body=QueuePlace)
def place_run(conn: Connection, run: str, body: QueuePlace) -> Run:
    """Put a queued run before or after another one; it takes that run's priority, and no other run changes."""
    return runs.show_run(queue.place_run(conn, run, body, user=principal().user, now=now()))
