"""Pages of runs: filtered, in any order, stable while runs come and change. Reads neither validations nor points.

A page in the order of a column comes in two parts, both read from an index on both databases: first the runs that
have a value there, then those that have none (null, NaN), newest first. `NULLS LAST` could use no index.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import (
    ColumnElement,
    Connection,
    Double,
    and_,
    exists,
    extract,
    func,
    literal,
    not_,
    or_,
    select,
    tuple_,
)

from keepbest.contract.runs import RunPage
from keepbest.errors import InvalidInput
from keepbest.hints import nearest
from keepbest.status import RunState
from tracker.models import RunTable
from tracker.store import cursors, projects
from tracker.store.runs import RunRow, select_runs, show_in_list

#: What runs can be sorted by, and the kind of value that a cursor holds of it.
SORTS: dict[str, tuple[Any, type]] = {
    "created": (RunTable.pk, int),
    "number": (RunTable.number, int),
    "updated": (RunTable.updated_at, datetime),
    "name": (RunTable.name, str),
    "state": (RunTable.state, str),
    "worker": (RunTable.worker_name, str),
    "step": (RunTable.step, int),
    "last": (RunTable.last_value, float),
    "last_value": (RunTable.last_value, float),
    "best": (RunTable.best_value, float),
    "best_value": (RunTable.best_value, float),
    "patience": (RunTable.patience_left, int),
    "duration": (None, float),  # an expression that each database has its own words for
}


@dataclass(frozen=True, slots=True)
class RunFilter:
    """Which runs, in which order; `search` is a text in name, id, tags, notes, worker, recipe or entry."""

    project: str | None = None
    states: Sequence[RunState] = ()
    search: str | None = None
    sort: str = "created"
    order: Literal["asc", "desc"] = "desc"

    @property
    def key(self) -> str:
        """Names the order, so that a cursor is used in no other."""
        return f"{self.sort}.{self.order}"


def list_runs(conn: Connection, wanted: RunFilter, *, cursor: str | None, limit: int) -> RunPage:
    """Return one page of runs; `total` counts all that are wanted, and comes with the first page only."""
    column = _column(conn, wanted.sort)
    conditions = _conditions(conn, wanted)
    place = _read_cursor(wanted, cursor) if cursor else None
    rows = _read_rows(conn, wanted, column, conditions, place, limit + 1)
    total = None if cursor else _count(conn, conditions)
    more = _write_cursor(wanted, rows[limit - 1]) if len(rows) > limit else None
    return RunPage(runs=[show_in_list(row) for row in rows[:limit]], cursor=more, total=total)


def _column(conn: Connection, sort: str) -> Any:
    if sort not in SORTS:
        raise InvalidInput(f"Runs cannot be sorted by {sort!r}.", field="sort", hint=nearest(sort, SORTS))
    column = SORTS[sort][0]
    return _duration(conn) if column is None else column


def _duration(conn: Connection) -> Any:
    if conn.dialect.name == "sqlite":
        return (func.julianday(RunTable.ended_at) - func.julianday(RunTable.started_at)).cast(Double)
    return extract("epoch", RunTable.ended_at - RunTable.started_at).cast(Double)


def _conditions(conn: Connection, wanted: RunFilter) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = [RunTable.deleted_at.is_(None)]
    if wanted.project is not None:
        conditions.append(RunTable.project_pk == projects.get_pk(conn, wanted.project))
    if wanted.states:
        conditions.append(RunTable.state.in_([state.value for state in wanted.states]))
    if wanted.search:
        conditions.append(_holds_text(conn, wanted.search))
    return conditions


def _holds_text(conn: Connection, search: str) -> ColumnElement[bool]:
    source = RunTable.spec["source"]
    columns = (
        RunTable.name,
        RunTable.id,
        RunTable.notes,
        RunTable.worker_name,
        source["name"].as_string(),
        source["entry"].as_string(),
    )
    return or_(*(column.icontains(search, autoescape=True) for column in columns), _has_tag(conn, search))


def _has_tag(conn: Connection, search: str) -> ColumnElement[bool]:
    """Whether one of the run's tags holds the text: each by itself, as it is and not as JSON writes it."""
    is_sqlite = conn.dialect.name == "sqlite"
    each = func.json_each(RunTable.tags) if is_sqlite else func.jsonb_array_elements_text(RunTable.tags)
    tags = each.table_valued("value") if is_sqlite else each.table_valued("value", name="tags_of")
    return exists(select(literal(1)).select_from(tags).where(tags.c.value.icontains(search, autoescape=True)))


def _read_rows(
    conn: Connection, wanted: RunFilter, column: Any, conditions: list[ColumnElement[bool]], place: Any, limit: int
) -> list[RunRow]:
    part, value, pk = place or (0, None, 0)
    present = column <= math.inf if SORTS[wanted.sort][1] is float else column.is_not(None)  # NaN is above every number
    query = select_runs().add_columns(column.label("sorted_by")).where(*conditions)
    rows: list[RunRow] = []
    if part == 0:
        seek = [_after(wanted, column, value, pk)] if place else []
        rows += conn.execute(query.where(present, *seek).order_by(*_terms(wanted, column)).limit(limit))
    if len(rows) < limit and column is not RunTable.pk:
        seek = [RunTable.pk < pk] if part else []
        lacking = or_(column.is_(None), not_(present))
        rows += conn.execute(query.where(lacking, *seek).order_by(RunTable.pk.desc()).limit(limit - len(rows)))
    return rows


def _after(wanted: RunFilter, column: Any, value: Any, pk: int) -> ColumnElement[bool]:
    here = tuple_(literal(value, column.type), literal(pk))
    row = tuple_(column, RunTable.pk)
    return row < here if wanted.order == "desc" else row > here


def _terms(wanted: RunFilter, column: Any) -> list[Any]:
    return [column.desc(), RunTable.pk.desc()] if wanted.order == "desc" else [column, RunTable.pk]


def _count(conn: Connection, conditions: list[ColumnElement[bool]]) -> int:
    return conn.execute(select(func.count()).select_from(RunTable).where(and_(*conditions))).scalar_one()


def _read_cursor(wanted: RunFilter, cursor: str) -> tuple[int, Any, int]:
    part, value, pk = cursors.read(cursor, wanted.key, int, SORTS[wanted.sort][1], int)
    if part not in (0, 1) or pk is None or (value is None) == (part == 0):
        raise cursors.refuse()
    return part, value, pk


def _write_cursor(wanted: RunFilter, row: RunRow) -> str:
    value = row.sorted_by
    lacks = value is None or (isinstance(value, float) and math.isnan(value))
    return cursors.write(wanted.key, [1, None, row.pk] if lacks else [0, value, row.pk])
