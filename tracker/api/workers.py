"""Workers, and the recipes that they can train."""

from __future__ import annotations

from flask import Blueprint

from keepbest.contract.workers import RecipeList, Worker, WorkerList, WorkerRegistration
from keepbest.errors import InvalidInput
from tracker.api.access import principal
from tracker.api.envelope import now, route_schema, service
from tracker.db import Connection
from tracker.store import workers

blueprint = Blueprint("workers", __name__)


@blueprint.get("/workers")
@route_schema(WorkerList)
def list_workers(conn: Connection) -> WorkerList:
    """List the workers, the last heard first."""
    return WorkerList(workers=workers.list_workers(conn, silent_seconds=service().settings.silent_seconds, now=now()))


@blueprint.put("/workers/<worker>")
@route_schema(Worker, body=WorkerRegistration)
def register_worker(conn: Connection, worker: str, body: WorkerRegistration) -> Worker:
    """Say who a worker is and what it can train; again whenever that changed."""
    if worker != body.id:
        raise InvalidInput(f"The address names worker {worker!r}, the body {body.id!r}.", field="id")
    workers.register_worker(conn, body, by=principal(), now=now())
    row, busy = workers.get_worker(conn, worker), workers.count_busy(conn, worker)
    return workers.show_worker(row, busy, service().settings.silent_seconds, now())


@blueprint.delete("/workers/<worker>")
@route_schema(None, status=204)
def deregister_worker(conn: Connection, worker: str) -> None:
    """Take a worker's leave: it is gone, not silent."""
    workers.deregister_worker(conn, worker, by=principal(), now=now())


@blueprint.get("/recipes")
@route_schema(RecipeList)
def list_recipes(conn: Connection) -> RecipeList:
    """List the built-in models that workers announced, with their parameters."""
    return RecipeList(recipes=list(workers.list_recipes(conn).values()))
