"""Forks a run, resumes an ended one, brings a deleted one back."""

from __future__ import annotations

from flask import Blueprint

from keepbest.contract.overrides import ForkRequest, ResumeRequest
from keepbest.contract.runs import Run, Undeleted
from tracker.api.access import principal
from tracker.api.envelope import now, route_schema, service
from tracker.api.runs import read_key
from tracker.db import Connection
from tracker.services import forks, gc
from tracker.store import resumes, runs

blueprint = Blueprint("jumps", __name__)


@blueprint.post("/runs/<run>/fork")
@route_schema(Run, body=ForkRequest, status=201, transact=False)
def fork_run(run: str, body: ForkRequest) -> Run:
    """Queue a run that begins at a checkpoint of this one; under the same `Idempotency-Key` it is the same run."""
    user, settings, engine = principal().user, service().settings, service().engine
    return forks.fork(settings, engine, run, body, user=user, key=read_key(), now=now())


@blueprint.post("/runs/<run>/resume")
@route_schema(Run, body=ResumeRequest)
def resume_run(conn: Connection, run: str, body: ResumeRequest) -> Run:
    """Have an ended run go on, from its last checkpoint unless another is named."""
    row = runs.get_run(conn, run, lock=True)
    return runs.show_run(resumes.resume(conn, row, body, user=principal().user, now=now()))


@blueprint.post("/runs/<run>/undelete")
@route_schema(Undeleted, transact=False)
def undelete_run(run: str) -> Undeleted:
    """Bring a deleted run back, with the checkpoints that still lie in the store or in its trash."""
    return gc.undelete(service().settings, service().engine, run, user=principal().user, now=now())
