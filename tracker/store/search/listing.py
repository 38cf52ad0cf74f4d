"""Pages of runs: those that a filter means, in any order, stable while runs come and change. Reads no points."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, select

from keepbest.contract.runs import RunPage
from keepbest.errors import InvalidInput
from keepbest.hints import nearest
from keepbest.query.columns import COLUMNS
from keepbest.query.known import Known
from keepbest.query.names import read_name, split_names
from keepbest.query.resolve import resolve, resolve_field
from keepbest.query.terms import Condition, Field, Term, walk
from tracker.models import RunKeyedTagTable
from tracker.store import cursors
from tracker.store.access.users import Principal
from tracker.store.pace import add_pace
from tracker.store.runs import RunRow, select_for_list, show_in_list
from tracker.store.search import names
from tracker.store.search.fields import value_of
from tracker.store.search.plan import ListPlace, Plan
from tracker.store.search.scope import Scope, open_scope
from tracker.store.search.sorts import Order, Stretch, stretches

MAX_COLUMNS = 50
#: What a list can be sorted by and show beside what a filter knows.
_MORE_COLUMNS = ("patience",)


@dataclass(frozen=True, slots=True)
class RunSearch:
    """Which runs, in which order, with which columns beside their own fields; `text` is what `term` was read from."""

    project: str | None = None
    term: Term | None = None
    text: str = ""
    sort: str = "created"
    order: Order = "desc"
    columns: Sequence[str] = field(default_factory=tuple)

    @property
    def key(self) -> str:
        """Names the order, so that a cursor is used in no other."""
        return f"{self.sort}.{self.order}"


def list_runs(
    conn: Connection,
    search: RunSearch,
    *,
    cursor: str | None,
    limit: int,
    count: bool = False,
    principal: Principal | None = None,
) -> RunPage:
    """Return one page of runs; `total` counts all that match, up to a limit, where `count` asks for it."""
    scope = open_scope(conn, search.project, principal)
    term, sort, columns = resolve_search(conn, scope, search)
    order = stretches(sort, search.order, scope)
    plan = Plan(conn, scope, term, limit)
    after = _read_cursor(search, order, cursor) if cursor else None
    places = plan.read(order, after, limit + 1)
    more = _write_cursor(search, places[limit - 1]) if len(places) > limit else None
    total, is_least = plan.count() if count else (None, False)
    rows = _read_rows(conn, scope, [place.pk for place in places[:limit]], columns)
    keyed = _read_keyed_tags(conn, scope, [row.pk for row in rows], columns)
    shown = [show_in_list(row).model_copy(update={"values": _show_values(row, columns, keyed)}) for row in rows]
    return RunPage(runs=add_pace(conn, shown), cursor=more, total=total, total_is_least=is_least)


def split_columns(text: str) -> list[str]:
    """Return the names between the commas of a list; raises InvalidInput for more than a list shows."""
    columns = split_names(text)
    if len(columns) > MAX_COLUMNS:
        raise InvalidInput(f"A list shows at most {MAX_COLUMNS} columns, but got {len(columns)}.", field="columns")
    return columns


def resolve_search(conn: Connection, scope: Scope, search: RunSearch) -> tuple[Term | None, Field, dict[str, Field]]:
    """Return the filter, the order and the columns with every name as what it means among the scope's runs."""
    fields = [read_field(name) for name in (search.sort, *search.columns)]
    conditions = walk(search.term) if search.term is not None else iter(())
    fields += [part.field for part in conditions if isinstance(part, Condition)]
    has_names = any(each.kind not in ("column", "tag") for each in fields)
    known = names.list_known(conn, scope) if has_names else Known()
    term = resolve(search.term, known, search.text) if search.term is not None else None
    columns = {name: resolve_name(name, known, "columns") for name in search.columns}
    return term, resolve_name(search.sort, known, "sort"), columns


def read_field(name: str) -> Field:
    """Return what a name of a column or an order means, as far as the name itself says."""
    return Field("column", name) if name in _MORE_COLUMNS else read_name(name)


def resolve_name(name: str, known: Known, asked_by: str) -> Field:
    """Return the field that a name of a column or an order means; raises InvalidInput with the nearest one.

    Where runs have no names at all, any name is an empty column, as in a filter.
    """
    column = read_field(name)
    knows_nothing = not (known.metrics or known.parameters)
    try:
        if column.kind != "unknown" or asked_by == "columns" or not knows_nothing:
            return resolve_field(column, known, name)
    except InvalidInput as error:
        raise InvalidInput(error.message, field=asked_by, hint=error.hint) from None
    message = f"No run has a column {name!r}."
    raise InvalidInput(message, field=asked_by, hint=nearest(name, [*COLUMNS, *_MORE_COLUMNS]))


def _read_rows(conn: Connection, scope: Scope, pks: Sequence[int], columns: dict[str, Field]) -> list[RunRow]:
    if not pks:
        return []
    read = [column for column in columns.values() if column.kind in ("metric", "column")]
    values = (value_of(column, is_sqlite=scope.is_sqlite).label(_label(column)) for column in dict.fromkeys(read))
    query = select_for_list().add_columns(*values)
    rows = {row.pk: row for row in conn.execute(query.where(scope.among(query.selected_columns.pk, pks)))}
    return [rows[pk] for pk in pks if pk in rows]


def _label(column: Field) -> str:
    return f"value:{column.kind}:{column.name}:{column.part}"


def _read_keyed_tags(
    conn: Connection, scope: Scope, pks: Sequence[int], columns: dict[str, Field]
) -> dict[tuple[int, str], str]:
    """Return the beginnings of the values of the keyed tags that columns show, by run and key."""
    names = [column.name for column in columns.values() if column.kind == "tag" and column.name]
    if not names or not pks:
        return {}
    table = RunKeyedTagTable
    query = select(table.run_pk, table.key, table.text).where(scope.among(table.run_pk, pks), table.key.in_(names))
    return {(pk, key): text for pk, key, text in conn.execute(query)}


def _show_values(row: RunRow, columns: dict[str, Field], keyed: dict[tuple[int, str], str]) -> dict[str, Any]:
    return {name: _show_value(row, column, keyed) for name, column in columns.items()}


def _show_value(row: RunRow, column: Field, keyed: dict[tuple[int, str], str]) -> Any:
    if column.kind == "parameter":
        return row.spec["parameters"].get(column.name)
    if column.kind == "tag":
        beginning = f"{column.name}=" if column.name else ""
        own = [keyed[row.pk, column.name]] if (row.pk, column.name) in keyed else []
        return [*(tag.removeprefix(beginning) for tag in row.tags if tag.startswith(beginning)), *own]
    value = row._mapping[_label(column)]
    return None if isinstance(value, float) and math.isnan(value) else value


def _read_cursor(search: RunSearch, order: Sequence[Stretch], cursor: str) -> ListPlace:
    number, value, pk = cursors.read(cursor, search.key, int, object, int)
    if not 0 <= number < len(order):
        raise cursors.refuse()
    stretch = order[number]
    if (value is None) != (stretch.value is None):
        raise cursors.refuse()
    return ListPlace(number, None if value is None else cursors.check(value, stretch.kind), pk)


def _write_cursor(search: RunSearch, place: ListPlace) -> str:
    return cursors.write(search.key, [place.stretch, place.value, place.pk])
