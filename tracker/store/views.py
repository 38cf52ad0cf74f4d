"""Saved views of a project: everybody sees the project's own, and each person the private ones of that person."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, delete, func, insert, or_, select, update

from keepbest.contract.base import new_id
from keepbest.contract.views import View, ViewList, ViewPatch, ViewRequest
from keepbest.errors import Conflict, NotFound
from tracker.models import ProjectTable, ViewTable
from tracker.store import cursors, events, projects
from tracker.store.access import audit

#: Views of one project that one person may save.
MAX_VIEWS = 200


def list_views(conn: Connection, project: str, *, user: str, cursor: str | None, limit: int) -> ViewList:
    """Return a page of the views that the person sees, by name; raises NotFound where there is no such project."""
    projects.get_pk(conn, project)
    wanted = (ProjectTable.name == project) & _is_seen(user)
    if cursor is not None:
        name, pk = cursors.read(cursor, "views", str, int)
        wanted &= (ViewTable.name > name) | ((ViewTable.name == name) & (ViewTable.pk > pk))
    rows = _read(conn, wanted, limit + 1)
    more = cursors.write("views", [rows[limit - 1].name, rows[limit - 1].pk]) if len(rows) > limit else None
    return ViewList(views=[_show(row) for row in rows[:limit]], cursor=more)


def create_view(conn: Connection, project: str, request: ViewRequest, *, user: str, now: datetime) -> View:
    """Save a view; raises Conflict where the person has too many."""
    pk = projects.get_pk(conn, project, lock=True)
    own = (ViewTable.project_pk == pk, ViewTable.created_by == user)
    if conn.execute(select(func.count()).where(*own)).scalar_one() >= MAX_VIEWS:
        raise Conflict(f"You have {MAX_VIEWS} views of project {project} already.", hint="Delete one first.")
    values = {"id": new_id(), "project_pk": pk, "created_by": user, "created_at": now, "updated_at": now}
    conn.execute(insert(ViewTable).values(**values, **request.model_dump()))
    view = get_view(conn, str(values["id"]), user=user)
    _note(conn, "view.create", view, user, now)
    return view


def get_view(conn: Connection, id: str, *, user: str) -> View:
    """Return the view with this id; raises NotFound where there is none that the person sees."""
    rows = _read(conn, _is_seen(user) & (ViewTable.id == id), 1)
    if not rows:
        hint = "It may have been deleted, or is private to another person."
        raise NotFound(f"There is no view {id!r}.", field="view", hint=hint)
    return _show(rows[0])


def change_view(conn: Connection, id: str, patch: ViewPatch, *, user: str, now: datetime) -> View:
    """Change a view that the person sees. Only the person who saved it makes it private.

    Raises NotFound for a view that the person does not see, Conflict for making another person's view private.
    """
    view = get_view(conn, id, user=user)
    changes = patch.model_dump(exclude_none=True)
    if patch.is_private and view.created_by != user:
        raise Conflict(f"View {id} was saved by {view.created_by}, who alone can make it private.", field="is_private")
    conn.execute(update(ViewTable).where(ViewTable.id == id).values(**changes, updated_at=now))
    after = get_view(conn, id, user=user)
    _note(conn, "view.change", view if not view.is_private else after, user, now)
    return after


def delete_view(conn: Connection, id: str, *, user: str, now: datetime) -> None:
    """Delete a view that the person sees; raises NotFound for any other."""
    view = get_view(conn, id, user=user)
    conn.execute(delete(ViewTable).where(ViewTable.id == id))
    _note(conn, "view.delete", view, user, now)


def _note(conn: Connection, action: str, view: View, user: str, now: datetime) -> None:
    """Write the audit entry; tell the project's pages, unless the view is private."""
    audit.record(conn, user, action, view.id, now, {"project": view.project, "is_private": view.is_private})
    if not view.is_private:
        events.append_to_project(conn, "project.views", view.project, {"view": view.id}, now)


def _is_seen(user: str) -> ColumnElement[bool]:
    return ProjectTable.deleted_at.is_(None) & or_(~ViewTable.is_private, ViewTable.created_by == user)


def _read(conn: Connection, wanted: ColumnElement[bool], limit: int) -> Sequence[Row[Any]]:
    columns = (*ViewTable.__table__.columns, ProjectTable.name.label("project"))
    query = select(*columns).join(ProjectTable, ProjectTable.pk == ViewTable.project_pk).where(wanted)
    return conn.execute(query.order_by(ViewTable.name, ViewTable.pk).limit(limit)).all()


def _show(row: Row[Any]) -> View:
    return View.model_validate(row._asdict())
