"""Projects: named sets of runs. The first run that names a project makes it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, func, select, update

from keepbest.contract import runs as contract
from keepbest.errors import Conflict, NotFound
from keepbest.hints import nearest
from keepbest.status import RunState
from tracker.db import insert
from tracker.models import ProjectTable, RunTable
from tracker.store import cursors
from tracker.store.access import audit

ACTIVE = [state.value for state in RunState if not state.is_final]


def ensure_project(conn: Connection, name: str, *, user: str, now: datetime) -> Row[Any]:
    """Return the project of this name, or make it; its row is locked until the transaction ends."""
    _create(conn, name, "", user, now)
    return conn.execute(_select().where(ProjectTable.name == name).with_for_update()).one()


def create_project(conn: Connection, request: contract.ProjectRequest, *, user: str, now: datetime) -> contract.Project:
    """Make a project; raises Conflict where the name is taken."""
    if not _create(conn, request.name, request.description, user, now):
        raise Conflict(f"There is a project {request.name!r} already.", field="name", hint="Choose another name.")
    return get_project(conn, request.name)


def change_project(
    conn: Connection, name: str, patch: contract.ProjectPatch, *, user: str, now: datetime
) -> contract.Project:
    """Change the description of the project of this name; raises NotFound with the nearest one."""
    pk = get_pk(conn, name, lock=True)
    conn.execute(update(ProjectTable).where(ProjectTable.pk == pk).values(description=patch.description))
    audit.record(conn, user, "project.change", name, now)
    return get_project(conn, name)


def get_project(conn: Connection, name: str) -> contract.Project:
    """Return the project of this name with its counts; raises NotFound with the nearest one."""
    row = conn.execute(_select().where(ProjectTable.name == name)).one_or_none()
    if row is None:
        raise unknown(conn, name)
    return _show(conn, [row])[0]


def get_pk(conn: Connection, name: str, *, lock: bool = False) -> int:
    """Return the internal number of the project of this name; raises NotFound with the nearest one."""
    query = select(ProjectTable.pk).where(ProjectTable.name == name)
    pk = conn.execute(query.with_for_update() if lock else query).scalar()
    if pk is None:
        raise unknown(conn, name)
    return pk


def take_number(conn: Connection, pk: int) -> int:
    """Return the number of the project's next run, which no other run gets."""
    moved = update(ProjectTable).where(ProjectTable.pk == pk).values(next_number=ProjectTable.next_number + 1)
    return conn.execute(moved.returning(ProjectTable.next_number)).scalar_one() - 1


def list_projects(conn: Connection, *, search: str | None, cursor: str | None, limit: int) -> contract.ProjectPage:
    """Return a page of projects in the order of their names, with the number of runs in each."""
    wanted = [ProjectTable.name.icontains(search, autoescape=True)] if search else []
    where = _select().where(*wanted).order_by(ProjectTable.name).limit(limit + 1)
    if cursor is not None:
        (last,) = cursors.read(cursor, "projects", str)
        where = where.where(ProjectTable.name > last)
    rows = conn.execute(where).all()
    total = (
        conn.execute(select(func.count()).select_from(ProjectTable).where(*wanted)).scalar_one() if not cursor else None
    )
    more = cursors.write("projects", [rows[limit - 1].name]) if len(rows) > limit else None
    return contract.ProjectPage(projects=_show(conn, rows[:limit]), cursor=more, total=total)


def unknown(conn: Connection, name: str) -> NotFound:
    """Return the error for a project that is not there, with the nearest one."""
    names = conn.execute(select(ProjectTable.name).order_by(ProjectTable.pk.desc()).limit(1000)).scalars().all()
    hint = nearest(name, names) if names else "The first `keepbest submit` makes one."
    return NotFound(f"There is no project {name!r}.", field="project", hint=hint)


def _create(conn: Connection, name: str, description: str, user: str, now: datetime) -> bool:
    values = {"name": name, "description": description, "created_at": now, "next_number": 1}
    made = insert(conn, ProjectTable).values(**values).on_conflict_do_nothing(index_elements=["name"])
    if conn.execute(made.returning(ProjectTable.pk)).first() is None:
        return False
    audit.record(conn, user, "project.create", name, now)
    return True


def _show(conn: Connection, rows: Any) -> list[contract.Project]:
    pks = [row.pk for row in rows]
    counts = _count(conn, pks)
    query = _counted((RunTable.project_pk, func.count()), pks).where(RunTable.state.in_(ACTIVE))
    active = {row[0]: row[1] for row in conn.execute(query)}
    newest = _read_newest(conn, [count.newest for count in counts.values()])
    shown = []
    for row in rows:
        count = counts.get(row.pk)
        latest = newest.get(count.newest) if count else None
        known = {"runs": count.runs, "active": active.get(row.pk, 0)} if count else {}
        since = {"latest_run": latest.id, "updated_at": latest.updated_at} if latest else {}
        shown.append(contract.Project.model_validate({**row._mapping, **known, **since}))
    return shown


def _count(conn: Connection, pks: list[int]) -> dict[int, Row[Any]]:
    """Return the number of runs and the newest run of each project that has runs; this reads only an index."""
    columns = (RunTable.project_pk, func.count().label("runs"), func.max(RunTable.pk).label("newest"))
    return {row.project_pk: row for row in conn.execute(_counted(columns, pks))}


def _counted(columns: tuple[Any, ...], pks: list[int]) -> Any:
    return (
        select(*columns)
        .where(RunTable.project_pk.in_(pks), RunTable.deleted_at.is_(None))
        .group_by(RunTable.project_pk)
    )


def _read_newest(conn: Connection, pks: list[int]) -> dict[int, Any]:
    return {
        row.pk: row
        for row in conn.execute(select(RunTable.pk, RunTable.id, RunTable.updated_at).where(RunTable.pk.in_(pks)))
    }


def _select() -> Any:
    return select(*ProjectTable.__table__.columns)
