"""Brings a project of an archive into the database: its description, tags, rules and views, where it is new here."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import ValidationError
from sqlalchemy import Connection, insert, select, update

from keepbest.contract.projects import ProjectRequest
from keepbest.contract.views import ViewRequest
from keepbest.errors import InvalidInput
from tracker.models import ProjectRulesTable, ProjectTable, ProjectTagTable, ViewTable
from tracker.store import projects, rules
from tracker.store.archives.arrivals import Reader
from tracker.store.archives.tables import OF_PROJECT


def bring_project(conn: Connection, name: str, read: Reader, *, user: str, now: datetime) -> bool:
    """Make the project with what the archive says of it; False where a project of this name is here already.

    Raises InvalidInput for what no project has.
    """
    there = select(ProjectTable.pk).where(projects.is_named(name))
    if conn.execute(there).first() is not None:
        return False
    pk = projects.ensure_project(conn, name, user=user, now=now).pk
    rows = {table.model: list(read(table)) for table in OF_PROJECT}
    try:
        for row in rows[ProjectTable][:1]:
            ProjectRequest(name=name, description=row["description"])
            conn.execute(update(ProjectTable).where(ProjectTable.pk == pk).values(**row))
        _add(conn, ProjectTagTable, rows[ProjectTagTable], pk)
        _add(conn, ProjectRulesTable, [{**row, "set_by": user} for row in rows[ProjectRulesTable][:1]], pk)
        rules.get_rules(conn, name)
        _add_views(conn, rows[ViewTable], pk, user)
    except (ValidationError, ValueError, TypeError, KeyError) as error:
        message = f"What the archive says of project {name} is nothing that a project has."
        raise InvalidInput(message, field="archive", hint=str(error).splitlines()[0][:200]) from None
    return True


def _add_views(conn: Connection, rows: list[dict[str, Any]], pk: int, user: str) -> None:
    """Add the views; one that is here already, of a project that had another name, stays as it is."""
    known = set(conn.execute(select(ViewTable.id).where(ViewTable.id.in_([row["id"] for row in rows]))).scalars())
    for row in rows:
        ViewRequest(name=row["name"], document=row["document"], is_private=row["is_private"])
    _add(conn, ViewTable, [{**row, "created_by": user} for row in rows if row["id"] not in known], pk)


def _add(conn: Connection, table: Any, rows: list[dict[str, Any]], pk: int) -> None:
    if rows:
        conn.execute(insert(table), [{**row, "project_pk": pk} for row in rows])
