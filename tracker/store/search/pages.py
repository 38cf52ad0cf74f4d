"""Pages of runs in an order of several fields, as numbers: by one field from its index, by several in memory."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, select

from keepbest.errors import InvalidInput
from keepbest.query.terms import Field, Term
from tracker.models import RunKeyedTagTable, RunTable
from tracker.store import cursors
from tracker.store.search.fields import value_of
from tracker.store.search.plan import ListPlace, Plan
from tracker.store.search.scope import Scope
from tracker.store.search.sorts import Order, Stretch, stretches

#: Runs that are put in an order of several fields, at most.
MAX_SORTED = 20_000
#: The order of a list that names none: the last begun first.
NEWEST: tuple[Field, Order] = (Field("column", "started"), "desc")
#: A field and its direction, as often as it takes to put any two runs in order.
Orders = Sequence[tuple[Field, Order]]


def find_page(
    conn: Connection, scope: Scope, term: Term | None, orders: Orders, *, cursor: str | None, limit: int
) -> tuple[list[int], str | None]:
    """Return the numbers of the next runs, `limit` at most, and the cursor behind them where there are more.

    Runs without a value come last. Raises InvalidInput for several fields, or a tag, where too many runs match.
    """
    plan = Plan(conn, scope, term, limit)
    if len(orders) > 1 or any(field.kind == "tag" for field, _ in orders):
        return _sort_in_memory(conn, scope, plan, orders, cursor, limit)
    field, direction = orders[0] if orders else NEWEST
    name = f"{field.kind}.{field.name}.{field.part}.{direction}"
    every = stretches(field, direction, scope)
    places = plan.read(every, _read_place(cursor, name, every) if cursor else None, limit + 1)
    page, is_more = places[:limit], len(places) > limit
    more = cursors.write(name, [page[-1].stretch, page[-1].value, page[-1].pk]) if is_more else None
    return [place.pk for place in page], more


def _read_place(cursor: str, name: str, every: Sequence[Stretch]) -> ListPlace:
    number, value, pk = cursors.read(cursor, name, int, object, int)
    if not 0 <= number < len(every) or (value is None) != (every[number].value is None):
        raise cursors.refuse()
    return ListPlace(number, None if value is None else cursors.check(value, every[number].kind), pk)


def _sort_in_memory(
    conn: Connection, scope: Scope, plan: Plan, orders: Orders, cursor: str | None, limit: int
) -> tuple[list[int], str | None]:
    """Sort all matches anew for each page: a cursor is the number of runs before it."""
    name = ",".join(f"{field.kind}.{field.name}.{direction}" for field, direction in orders)
    (start,) = cursors.read(cursor, name, int) if cursor else (0,)
    pks, is_more = plan.list_all(MAX_SORTED)
    if is_more:
        hint = "Narrow the filter, or sort by one metric, parameter or attribute alone."
        message = f"More than {MAX_SORTED:,} runs match: too many to sort by a tag or by several fields."
        raise InvalidInput(message, field="order_by", hint=hint)
    for field, direction in reversed([*orders, NEWEST]):
        values = _read_values(conn, scope, pks, field)
        there = [pk for pk in pks if pk in values]
        there.sort(key=lambda pk: values[pk], reverse=direction == "desc")
        pks = [*there, *(pk for pk in pks if pk not in values)]
    page = pks[max(start, 0) : max(start, 0) + limit]
    end = max(start, 0) + len(page)
    return page, cursors.write(name, [end]) if end < len(pks) else None


def _read_values(conn: Connection, scope: Scope, pks: Sequence[int], field: Field) -> dict[int, Any]:
    """Return the value of each run that has one; NaN is none."""
    if field.kind == "tag":
        table = RunKeyedTagTable
        query = select(table.run_pk, table.text).where(scope.among(table.run_pk, pks), table.key == field.name)
    else:
        value = value_of(field, is_sqlite=scope.is_sqlite)
        query = select(RunTable.pk, value).where(scope.among(RunTable.pk, pks))
    return {pk: value for pk, value in conn.execute(query) if not _is_none(value)}


def _is_none(value: Any) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))
