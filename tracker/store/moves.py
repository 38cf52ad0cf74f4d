"""Moves of runs between projects: a run gets the next number of its new project, and keeps its id and history."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, select, update

from keepbest.errors import Conflict
from keepbest.status import RunState
from tracker.models import AuditEntryTable, RunTable
from tracker.store import aliases, events, projects, runs
from tracker.store.access import audit
from tracker.store.runs import RunRow
from tracker.store.search import entries

#: What the audit log calls a move; its detail says from where.
MOVED = "run.move"


def move_to_project(conn: Connection, run: RunRow, project: str, *, user: str, now: datetime) -> RunRow:
    """Put a run into another project, which is made if it is new; raises Conflict for one that trains, or a trial."""
    if run.project == project:
        return run
    if RunState(run.state).is_held:
        hint = f"Move it when it has ended, or pause it first: `keepbest pause {run.id}`."
        raise Conflict(f"Run {run.id} is {run.state}: its worker reports to project {run.project}.", hint=hint)
    if run.sweep_pk is not None:
        raise Conflict(f"Run {run.id} is a trial of a sweep of project {run.project}, and stays with it.", field="run")
    aliases.check_aliases(conn, RunTable.pk == run.pk, "is not moved")
    target = projects.ensure_project(conn, project, user=user, now=now)
    number = projects.take_number(conn, target.pk)
    place = {"project_pk": target.pk, "number": number, "spec": {**run.spec, "project": project}, "updated_at": now}
    conn.execute(update(RunTable).where(RunTable.pk == run.pk).values(**place))
    entries.move_entries(conn, run.pk, target.pk)
    events.append(conn, "run.moved", run, {"id": run.id, "project": project, "number": number}, now)
    after = runs.get_by_pk(conn, run.pk)
    events.append(conn, "run.created", after, runs.show_run(after).model_dump(mode="json"), now)
    audit.record(conn, user, MOVED, run.id, now, {"from": run.project, "to": project, "number": number})
    return after


def was_in_project(conn: Connection, run: RunRow, project: str) -> bool:
    """Whether the run lay in this project before it was moved."""
    entries_of_run = (AuditEntryTable.action == MOVED, AuditEntryTable.target == run.id)
    details = conn.execute(select(AuditEntryTable.detail).where(*entries_of_run)).scalars()
    return any(detail is not None and detail.get("from") == project for detail in details)
