"""Deletes projects with their runs and brings them back. The files of the runs go to the trash, as each run's do."""

from __future__ import annotations

from datetime import datetime
from shlex import quote

from sqlalchemy import Connection, select, update

from keepbest.errors import Conflict, NotFound
from tracker.models import ProjectTable, RunTable
from tracker.store import deletions, events, projects, shares
from tracker.store.access import audit
from tracker.store.search.visibility import visible


def delete_project(conn: Connection, name: str, *, user: str, now: datetime) -> int:
    """Delete a project with its runs; return how many runs.

    Raises Conflict while a run or a sweep of it lives, a checkpoint of it is pinned, or something has an alias.
    """
    pk = projects.get_pk(conn, name, lock=True)
    projects.refuse_while_swept(conn, pk, name)
    _check_runs(conn, pk, name)
    deletions.check_pins(conn, (RunTable.project_pk == pk) & visible(None))
    its_runs = update(RunTable).where(RunTable.project_pk == pk, visible(None))
    count = conn.execute(its_runs.values(deleted_at=now, updated_at=now)).rowcount
    conn.execute(update(ProjectTable).where(ProjectTable.pk == pk).values(deleted_at=now))
    shares.end_for_project(conn, pk, now)
    events.append_to_project(conn, "project.deleted", name, {"runs": count}, now)
    audit.record(conn, user, "project.delete", name, now, {"runs": count})
    return count


def list_runs(conn: Connection, name: str) -> list[str]:
    """Return the ids of the runs that were deleted with this project and are not back; raises NotFound for another."""
    row = conn.execute(select(*ProjectTable.__table__.columns).where(ProjectTable.name == name)).one_or_none()
    if row is None:
        raise projects.unknown(conn, name)
    if row.deleted_at is None:
        hint = "`keepbest rm RUN --undo` brings back a single run."
        raise NotFound(f"Project {name!r} is not deleted.", field="project", hint=hint)
    with_it = select(RunTable.id).where(RunTable.project_pk == row.pk, RunTable.deleted_at == row.deleted_at)
    return list(conn.execute(with_it.order_by(RunTable.pk)).scalars())


def undelete_project(conn: Connection, name: str, count: int, *, user: str, now: datetime) -> None:
    """Put a deleted project, of which so many runs are back, into the lists again."""
    there = update(ProjectTable).where(ProjectTable.name == name)
    conn.execute(there.values(deleted_at=None))
    events.append_to_project(conn, "project.changed", name, {"is_deleted": False}, now)
    audit.record(conn, user, "project.undelete", name, now, {"runs": count})


def _check_runs(conn: Connection, pk: int, name: str) -> None:
    living = (RunTable.project_pk == pk, visible(None), RunTable.state.in_(projects.ACTIVE))
    rows = conn.execute(select(RunTable.id, RunTable.state).where(*living).order_by(RunTable.pk).limit(2)).all()
    if rows:
        more = " and others" if len(rows) > 1 else ""
        message = f"Run {rows[0].id} of project {name} is {rows[0].state}{more}: only ended runs are deleted."
        hint = f"See them: `keepbest ls --project {quote(name)}`; cancel them: `keepbest cancel RUN`."
        raise Conflict(message, field="project", hint=hint)
