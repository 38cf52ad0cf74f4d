"""Projects: named sets of runs. The first run that names a project makes it.

An archived project takes no new run and leaves the lists, but everything in it can be read. A deleted project is
nowhere, until it is brought back or somebody makes a project of its name.
"""

from __future__ import annotations

from datetime import datetime
from shlex import quote
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, delete, func, select, update

from keepbest.contract import projects as contract
from keepbest.contract.sweeps import SweepState
from keepbest.errors import Conflict, NotFound
from keepbest.hints import nearest
from keepbest.status import RunState
from tracker.db import insert
from tracker.models import ProjectRulesTable, ProjectTable, ProjectTagTable, RunTable, SweepTable, ViewTable
from tracker.store import cursors, events
from tracker.store.access import audit
from tracker.store.search.visibility import visible

ACTIVE = [state.value for state in RunState if not state.is_final]
_IS_THERE = ProjectTable.deleted_at.is_(None)


def ensure_project(conn: Connection, name: str, *, user: str, now: datetime) -> Row[Any]:
    """Return the project of this name, or make it; its row is locked until the transaction ends.

    An archived project is returned too: `take_number` then refuses the new run.
    """
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
    """Change a project's description, archive it, or take it out of the archive; raises NotFound with the nearest one.

    Raises Conflict where it shall be archived while a sweep makes runs in it.
    """
    pk = get_pk(conn, name, lock=True)
    changes = patch.model_dump(exclude_none=True, exclude={"is_archived"})
    if patch.is_archived is not None:
        if patch.is_archived:
            refuse_while_swept(conn, pk, name)
        since = func.coalesce(ProjectTable.archived_at, now)
        changes["archived_at"] = since if patch.is_archived else None
    if changes:
        conn.execute(update(ProjectTable).where(ProjectTable.pk == pk).values(**changes))
        detail = patch.model_dump(exclude_none=True)
        audit.record(conn, user, "project.change", name, now, detail)
        events.append_to_project(conn, "project.changed", name, detail, now)
    return get_project(conn, name)


def refuse_while_swept(conn: Connection, pk: int, name: str) -> None:
    """Raise Conflict while a sweep still makes runs in the project."""
    living = (SweepTable.project_pk == pk, SweepTable.state == SweepState.RUNNING.value)
    sweep = conn.execute(select(SweepTable.id).where(*living).limit(1)).scalar()
    if sweep is not None:
        hint = f"Cancel it first: `keepbest sweep cancel {sweep}`."
        raise Conflict(f"Sweep {sweep} of project {name} still makes runs.", field="project", hint=hint)


def get_project(conn: Connection, name: str) -> contract.Project:
    """Return the project of this name with its counts; raises NotFound with the nearest one."""
    row = conn.execute(_select().where(is_named(name))).one_or_none()
    if row is None:
        raise unknown(conn, name)
    return _show(conn, [row])[0]


def get_pk(conn: Connection, name: str, *, lock: bool = False) -> int:
    """Return the internal number of the project of this name; raises NotFound with the nearest one."""
    query = select(ProjectTable.pk).where(is_named(name))
    pk = conn.execute(query.with_for_update() if lock else query).scalar()
    if pk is None:
        raise unknown(conn, name)
    return pk


def select_pks() -> Select[int]:
    """Select the internal numbers of the projects that are not deleted."""
    return select(ProjectTable.pk).where(_IS_THERE)


def take_number(conn: Connection, pk: int) -> int:
    """Return the number of the project's next run, which no other run gets; every new run takes one here.

    Raises Conflict for an archived project, and for one that was deleted meanwhile.
    """
    open_project = (ProjectTable.pk == pk, ProjectTable.archived_at.is_(None), _IS_THERE)
    moved = update(ProjectTable).where(*open_project).values(next_number=ProjectTable.next_number + 1)
    number = conn.execute(moved.returning(ProjectTable.next_number)).scalar()
    if number is None:
        raise _closed(conn.execute(_select().where(ProjectTable.pk == pk)).one())
    return number - 1


def bring_back(conn: Connection, pk: int) -> None:
    """End a project's deletion, because one of its runs comes back."""
    conn.execute(update(ProjectTable).where(ProjectTable.pk == pk, ~_IS_THERE).values(deleted_at=None))


def list_archived(conn: Connection) -> list[int]:
    """Return the internal numbers of the archived projects."""
    return list(conn.execute(select(ProjectTable.pk).where(ProjectTable.archived_at.is_not(None))).scalars())


def list_projects(
    conn: Connection, *, search: str | None, cursor: str | None, limit: int, archived: bool = False
) -> contract.ProjectPage:
    """Return a page of projects in the order of their names, with the number of runs in each.

    The archived ones are in a list of their own.
    """
    wanted = [ProjectTable.name.icontains(search, autoescape=True)] if search else []
    wanted += [_IS_THERE, ProjectTable.archived_at.is_not(None) if archived else ProjectTable.archived_at.is_(None)]
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
    """Return the error for a project that is not there, with the nearest one or the way to bring it back."""
    if conn.execute(select(ProjectTable.pk).where(ProjectTable.name == name)).first() is not None:
        hint = f"`keepbest project rm {quote(name)} --undo` brings it back."
        return NotFound(f"Project {name!r} was deleted.", field="project", hint=hint)
    known = select(ProjectTable.name).where(_IS_THERE).order_by(ProjectTable.pk.desc()).limit(1000)
    names = conn.execute(known).scalars().all()
    hint = nearest(name, names) if names else "The first `keepbest submit` makes one."
    return NotFound(f"There is no project {name!r}.", field="project", hint=hint)


def _closed(row: Row[Any]) -> Conflict:
    """Return the error that a project takes no new run."""
    if row.deleted_at is not None:
        message, hint = f"Project {row.name} has just been deleted.", "Try again: the run then begins a new project."
    else:
        message = f"Project {row.name} is archived: it takes no new run."
        hint = f"`keepbest project unarchive {quote(row.name)}` brings it back."
    return Conflict(message, field="project", hint=hint)


def is_named(name: str) -> ColumnElement[bool]:
    """Return the condition that a project has this name and is not deleted."""
    return (ProjectTable.name == name) & _IS_THERE


def _create(conn: Connection, name: str, description: str, user: str, now: datetime) -> bool:
    values = {"description": description, "created_at": now}
    new = insert(conn, ProjectTable).values(name=name, next_number=1, **values)
    made = new.on_conflict_do_nothing(index_elements=["name"]).returning(ProjectTable.pk)
    if conn.execute(made).first() is None and not _begin_anew(conn, name, values):
        return False
    audit.record(conn, user, "project.create", name, now)
    return True


def _begin_anew(conn: Connection, name: str, values: dict[str, Any]) -> bool:
    """Make a new project of a deleted one's row, without its rules, views and tags; its numbers go on.

    Its sweeps stay, because runs in the trash belong to them; `sweeps.list_sweeps` leaves them out.
    """
    gone = update(ProjectTable).where(ProjectTable.name == name, ProjectTable.deleted_at.is_not(None))
    fresh = {**values, "deleted_at": None, "archived_at": None}
    pk = conn.execute(gone.values(**fresh).returning(ProjectTable.pk)).scalar()
    if pk is None:
        return False
    for table in (ProjectRulesTable, ProjectTagTable, ViewTable):
        conn.execute(delete(table).where(table.project_pk == pk))
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
    return select(*columns).where(RunTable.project_pk.in_(pks), visible(None)).group_by(RunTable.project_pk)


def _read_newest(conn: Connection, pks: list[int]) -> dict[int, Any]:
    return {
        row.pk: row
        for row in conn.execute(select(RunTable.pk, RunTable.id, RunTable.updated_at).where(RunTable.pk.in_(pks)))
    }


def _select() -> Any:
    return select(*ProjectTable.__table__.columns)
