"""Pages of runs: filtered, in any order, stable while runs come and change. Reads neither looks nor points.

A page in the order of a column comes in two parts, both read from an index on both databases: first the runs that
have a number there, then those that have none (null, NaN), newest first. `NULLS LAST` could use no index.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, func, literal, not_, or_, select, tuple_

from keepbest.contract.runs import RunPage
from keepbest.errors import InvalidInput, NotFound
from keepbest.status import RunState
from keepbest.stopping.registry import nearest
from tracker.models import Project, Run
from tracker.store import cursors, projects
from tracker.store.runs import RunRow, select_runs, show_run

#: What runs can be ordered by; a minus before the name turns the order round.
ORDERS: dict[str, Any] = {
    "created": Run.pk,
    "updated": Run.updated_at,
    "name": Run.name,
    "number": Run.number,
    "state": Run.state,
    "step": Run.step,
    "last_value": Run.last_value,
    "best_value": Run.best_value,
}
DEFAULT_ORDER = "-created"
_FLOATS = {"last_value", "best_value"}


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which runs: of a project, in one of these states, with this text in the name, id, notes, tags or worker."""

    project: str | None = None
    states: Sequence[RunState] = ()
    search: str | None = None
    order: str = DEFAULT_ORDER


@dataclass(frozen=True, slots=True)
class _Order:
    name: str
    is_down: bool

    @property
    def column(self) -> Any:
        return ORDERS[self.name]

    @property
    def has_number(self) -> ColumnElement[bool]:
        # NaN is larger than any number on Postgres, and a text on SQLite, which is larger too.
        present: ColumnElement[bool] = self.column <= math.inf if self.name in _FLOATS else self.column.is_not(None)
        return present

    def after(self, value: Any, pk: Any) -> ColumnElement[bool]:
        here = tuple_(literal(_value(self.name, value), self.column.type), literal(pk))
        row = tuple_(self.column, Run.pk)
        return row < here if self.is_down else row > here

    def terms(self) -> list[Any]:
        return [self.column.desc(), Run.pk.desc()] if self.is_down else [self.column, Run.pk]


def list_runs(conn: Connection, wanted: Wanted, *, cursor: str | None, limit: int) -> RunPage:
    """Return one page of runs; `total` counts all that are wanted, and comes with the first page only."""
    order = _read_order(wanted.order)
    conditions = _conditions(conn, wanted)
    rows = _read_rows(conn, order, conditions, cursor, limit + 1)
    total = None if cursor else _count(conn, conditions)
    more = _write_cursor(order, rows[limit - 1]) if len(rows) > limit else None
    return RunPage(runs=[show_run(row) for row in rows[:limit]], cursor=more, total=total)


def _read_order(text: str) -> _Order:
    name = text.removeprefix("-")
    if name not in ORDERS:
        raise InvalidInput(f"Runs have no order {name!r}.", field="order", hint=nearest(name, ORDERS))
    return _Order(name, text.startswith("-"))


def _conditions(conn: Connection, wanted: Wanted) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = [Run.deleted_at.is_(None)]
    if wanted.project is not None:
        conditions.append(Run.project_pk == _project_pk(conn, wanted.project))
    if wanted.states:
        conditions.append(Run.state.in_([state.value for state in wanted.states]))
    if wanted.search:
        conditions.append(_holds_text(wanted.search))
    return conditions


def _project_pk(conn: Connection, name: str) -> int:
    pk = conn.execute(select(Project.pk).where(Project.name == name)).scalar()
    if pk is None:
        projects.get_project(conn, name)  # says which names there are
        raise NotFound(f"There is no project {name!r}.", field="project")
    return pk


def _holds_text(search: str) -> ColumnElement[bool]:
    columns = (Run.name, Run.id, Run.notes, Run.worker_name, Run.spec["source"]["name"].as_string())
    return or_(*(column.icontains(search, autoescape=True) for column in columns))


def _read_rows(
    conn: Connection, order: _Order, conditions: list[ColumnElement[bool]], cursor: str | None, limit: int
) -> list[RunRow]:
    part, value, pk = cursors.read(cursor, _key(order), 3) if cursor else (0, None, None)
    rows: list[RunRow] = []
    if part == 0:
        seek = [order.after(value, pk)] if cursor else []
        found = select_runs().where(*conditions, order.has_number, *seek).order_by(*order.terms()).limit(limit)
        rows = list(conn.execute(found))
    if len(rows) < limit and order.name != "created":
        seek = [Run.pk < pk] if cursor and part == 1 else []
        lacking = or_(order.column.is_(None), not_(order.has_number))
        found = select_runs().where(*conditions, lacking, *seek).order_by(Run.pk.desc()).limit(limit - len(rows))
        rows += conn.execute(found)
    return rows


def _count(conn: Connection, conditions: list[ColumnElement[bool]]) -> int:
    return conn.execute(select(func.count()).select_from(Run).where(and_(*conditions))).scalar_one()


def _key(order: _Order) -> str:
    return ("-" if order.is_down else "") + order.name


def _write_cursor(order: _Order, row: RunRow) -> str:
    value = getattr(row, order.column.key)
    lacks = value is None or (isinstance(value, float) and math.isnan(value))
    shown = value.isoformat() if isinstance(value, datetime) else value
    return cursors.write(_key(order), [1, None, row.pk] if lacks else [0, shown, row.pk])


def _value(name: str, value: Any) -> Any:
    try:
        return datetime.fromisoformat(value) if name == "updated" else value
    except (ValueError, TypeError):
        raise InvalidInput("The cursor is none that this tracker gave.", field="cursor") from None
