"""Scopes: among which runs somebody looks, and how a list of runs is handed to the database."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ARRAY, BigInteger, ColumnElement, Connection, String, any_, bindparam, func, literal, select

from tracker.models import ProjectTable, RunTable
from tracker.store import projects
from tracker.store.access.users import Principal
from tracker.store.search.visibility import View, visible


@dataclass(frozen=True, slots=True)
class Scope:
    """The runs that a person sees, of one project where `project_pk` is given; `runs` is about how many they are.

    Without a project they are those of all projects but the archived ones, whose numbers `archived` holds; with
    `among_projects` those of these projects.
    """

    principal: Principal | None
    project_pk: int | None
    runs: int
    is_sqlite: bool
    archived: tuple[int, ...] = ()
    among_projects: tuple[int, ...] | None = None
    view: View = "active"

    @property
    def is_shared(self) -> bool:
        """Whether somebody looks by a read-only link, who must not learn the names of other runs either."""
        return self.principal is not None and self.principal.share is not None

    def holds(self) -> list[ColumnElement[bool]]:
        """Return what a row of `runs` must meet."""
        return [visible(self.principal, self.view), *self.in_project(RunTable.project_pk)]

    def in_project(self, column: Any) -> list[ColumnElement[bool]]:
        """Return what the column of a run's project must meet."""
        if self.project_pk is not None:
            return [column == self.project_pk]
        if self.among_projects is not None:
            return [column.in_(self.among_projects)]
        return [column.not_in(self.archived)] if self.archived else []

    def in_each_project(self, column: Any) -> ColumnElement[bool]:
        """Return the same for an index that begins with the project: of all projects one after another."""
        one_project: ColumnElement[bool] = column == self.project_pk
        if self.among_projects is not None:
            return self.in_project(column)[0]
        every = select(ProjectTable.pk).where(ProjectTable.pk.not_in(self.archived))
        return column.in_(every) if self.project_pk is None else one_project

    def among(self, column: Any, pks: Sequence[int]) -> ColumnElement[bool]:
        """Return whether the column is one of these numbers, which go to the database as one value."""
        if self.is_sqlite:
            numbers = bindparam(None, json.dumps(list(pks)), type_=String, unique=True)
            is_among: ColumnElement[bool] = column.in_(select(func.json_each(numbers).table_valued("value").c.value))
        else:
            is_among = column == any_(bindparam(None, list(pks), type_=ARRAY(BigInteger), unique=True))
        return is_among

    def list_texts(self, texts: Sequence[str]) -> Any:
        """Return a column of these texts, which go to the database as one value, for a FROM of its own."""
        if self.is_sqlite:
            given = bindparam(None, json.dumps(list(texts)), type_=String, unique=True)
            return func.json_each(given).table_valued("value", name="given").c.value
        return (
            func.unnest(literal(list(texts), ARRAY(String)))
            .table_valued("value", name="given")
            .render_derived()
            .c.value
        )


def open_scope_of(conn: Connection, projects: Sequence[int], principal: Principal | None, view: View) -> Scope:
    """Return the scope of several projects, of which any may be archived or deleted."""
    counted = select(func.sum(ProjectTable.next_number - 1)).where(ProjectTable.pk.in_(projects))
    given = int(conn.execute(counted).scalar() or 0)
    only = projects[0] if len(projects) == 1 else None
    among = None if only is not None else tuple(projects)
    return Scope(principal, only, given, conn.dialect.name == "sqlite", (), among, view)


def open_scope(conn: Connection, project: str | None, principal: Principal | None) -> Scope:
    """Return the scope of a project, or of all where there is none given; raises NotFound with the nearest name."""
    is_sqlite = conn.dialect.name == "sqlite"
    if project is not None:
        named = select(ProjectTable.pk, ProjectTable.next_number).where(projects.is_named(project))
        row = conn.execute(named).one_or_none()
        if row is None:
            raise projects.unknown(conn, project)
        return Scope(principal, row.pk, row.next_number - 1, is_sqlite)
    counted = select(func.count(), func.max(ProjectTable.pk), func.sum(ProjectTable.next_number - 1))
    count, only, given = conn.execute(counted.where(ProjectTable.archived_at.is_(None))).one()
    archived = tuple(projects.list_archived(conn))
    return Scope(principal, only if count == 1 else None, int(given or 0), is_sqlite, archived)
