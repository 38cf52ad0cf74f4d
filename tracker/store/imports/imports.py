"""Imports: the run that a source of another tool is. The same source again is the same run of its project."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, insert, select, update

from keepbest.contract.imports import ImportedMetric, ImportedRun, ImportRequest
from keepbest.contract.origins import ImportOrigin
from keepbest.contract.runs import ExternalSource, RunRequest
from keepbest.errors import Conflict, NotFound, RunDeleted
from keepbest.status import RunState, StopReason
from tracker.models import ImportedMetricTable, ImportTable, RunTable
from tracker.store import projects, runs, submissions
from tracker.store.reported import datasets, keyed_tags, parameters
from tracker.store.reported import runs as reported
from tracker.store.reported.datasets import UsedDataset
from tracker.store.runs import RunRow

#: Who has a run as its parent says so in this tag, as MLflow does.
PARENT = "mlflow.parentRunId"
REASONS: Mapping[RunState, StopReason | None] = {
    RunState.FINISHED: None,
    RunState.FAILED: StopReason.ERROR,
    RunState.CANCELLED: StopReason.USER,
}


def begin(conn: Connection, request: ImportRequest, *, user: str, now: datetime) -> ImportedRun:
    """Make the run of a source, or return the one that it made before with what is new of parameters and tags.

    Raises RunDeleted where that run was deleted, Conflict where it went on here since.
    """
    project = projects.ensure_project(conn, request.project, user=user, now=now)
    known = _find(conn, project.pk, request.origin)
    if known is not None and not request.again:
        return _go_on(conn, known, request, now)
    if known is not None:
        conn.execute(update(ImportTable).where(ImportTable.run_pk == known.run_pk).values(source_digest=None))
    run = _make(conn, project, request, user=user, now=now)
    return show(conn, run, is_new=True)


def get_import(conn: Connection, id: str) -> RunRow:
    """Return an imported run, locked; raises NotFound for another, and Conflict where it went on here since."""
    run = reported.find_run(conn, id, view="active", lock=True)
    if not run.is_imported:
        raise NotFound(f"Run {id} was not imported.", field="run")
    check_unchanged(run)
    return run


def check_unchanged(run: RunRow) -> None:
    """Raise Conflict for a run that has gone on here since it was imported."""
    if run.attempt != 1:
        hint = "Import it as a new run: --again."
        raise Conflict(f"Run {run.id} went on here since it was imported.", field="run", hint=hint)


def show(conn: Connection, run: RunRow, *, is_new: bool) -> ImportedRun:
    """Return an imported run as the API shows it, with how far each metric is."""
    own, table = ImportTable, ImportedMetricTable
    is_complete = conn.execute(select(own.is_complete).where(own.run_pk == run.pk)).scalar_one()
    query = select(*table.__table__.columns).where(table.run_pk == run.pk).order_by(table.key)
    metrics = [ImportedMetric.model_validate(row._asdict()) for row in conn.execute(query)]
    return ImportedRun(
        run=run.id,
        project=run.project,
        number=run.number,
        name=run.name,
        is_new=is_new,
        is_complete=is_complete,
        metrics=metrics,
    )


def digest_of(origin: ImportOrigin) -> str:
    """Return what a source is found by."""
    return hashlib.sha256(origin.source.encode()).hexdigest()


def _find(conn: Connection, project_pk: int, origin: ImportOrigin) -> Row[Any] | None:
    own = ImportTable
    query: Any = select(own.run_pk, RunTable.id, RunTable.deleted_at).join(RunTable, RunTable.pk == own.run_pk)
    is_meant = (own.project_pk == project_pk, own.kind == origin.kind, own.source_digest == digest_of(origin))
    row: Row[Any] | None = conn.execute(query.where(*is_meant)).one_or_none()
    return row


def _go_on(conn: Connection, known: Row[Any], request: ImportRequest, now: datetime) -> ImportedRun:
    """Add the parameters, tags and data sets that the run lacks; what people changed here stays."""
    if known.deleted_at is not None:
        hint = f"`keepbest rm {known.id} --undo` brings it back; --again imports it anew."
        raise RunDeleted(f"Run {known.id} came from there, and was deleted.", field="run", hint=hint)
    run = reported.find_run(conn, known.id, view="active", lock=True)
    check_unchanged(run)
    spec = runs.get_by_pk(conn, run.pk).spec
    new = {key: value for key, value in request.parameters.items() if key not in spec["parameters"]}
    if new:
        parameters.add_parameters(conn, run, new, now)
    there = keyed_tags.read_tags(conn, [run.pk])[run.pk]
    notes = {keyed_tags.NOTES: request.notes} if request.notes and not run.notes else {}
    tags = {key: value for key, value in _list_tags(conn, request, run.project_pk).items() if key not in there}
    _describe(conn, run, request, {**tags, **notes}, now)
    return show(conn, reported.find_run(conn, run.id), is_new=False)


def _make(conn: Connection, project: Any, request: ImportRequest, *, user: str, now: datetime) -> RunRow:
    state = RunState(request.state)
    wanted = RunRequest(
        project=project.name,
        name=request.name,
        source=ExternalSource(imported=request.origin),
        parameters=request.parameters,
        notes=request.notes,
    )
    run = reported.add_run(
        conn,
        project,
        wanted,
        state,
        user=user,
        now=now,
        is_imported=True,
        created_at=request.started_at or now,
        started_at=request.started_at,
        ended_at=request.ended_at or request.started_at or now,
        stop_reason=REASONS[state],
        stop_message=request.message or None,
        error=describe_error(state, request.message),
    )
    own = {"run_pk": run.pk, "project_pk": project.pk, "kind": request.origin.kind}
    conn.execute(insert(ImportTable).values(**own, source_digest=digest_of(request.origin)))
    if request.parameters.keys() >= parameters.STOPPING:
        reported.watch(conn, run, str(request.parameters["monitor"]))
    _describe(conn, run, request, _list_tags(conn, request, project.pk), now)
    submissions.announce(conn, runs.get_by_pk(conn, run.pk), "run.import", now, kind=request.origin.kind)
    return reported.find_run(conn, run.id)


def describe_error(state: RunState, message: str) -> dict[str, Any] | None:
    """Return why an imported run failed, as far as its tool says it; None for one that did not."""
    if state is not RunState.FAILED:
        return None
    reason = message or "Its tool says that the run failed."
    return {"code": "error", "message": reason, "hint": None, "traceback": None}


def _describe(conn: Connection, run: RunRow, request: ImportRequest, tags: Mapping[str, str], now: datetime) -> None:
    """Set tags of the run, and keep its data sets."""
    if tags:
        keyed_tags.set_tags(conn, run, {key: text for key, text in tags.items() if key != keyed_tags.NAME}, now)
    used = [UsedDataset(each.name, each.digest, each.context, each.document) for each in request.datasets]
    datasets.add_datasets(conn, run, used)


def _list_tags(conn: Connection, request: ImportRequest, project_pk: int) -> dict[str, str]:
    """Return the tags that a request brings: what it judges by, and its parent, in the words of the reported runs."""
    tags = dict(request.tags)
    tags |= {keyed_tags.MONITOR: request.monitor} if request.monitor else {}
    tags |= {keyed_tags.MODE: request.mode.value} if request.mode else {}
    if request.parent is not None:
        parent = request.origin.model_copy(update={"source": request.parent})
        above = _find(conn, project_pk, parent)
        tags |= {PARENT: above.id} if above is not None else {}
    return tags
