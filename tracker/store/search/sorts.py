"""Orders of a list: each in stretches, every one read from an index or sorted by itself, the last without a value.

A list in the order of a metric holds first the runs that have a number there, then those that have none (or NaN),
newest first; of a parameter numbers come first, then texts. `NULLS LAST` in one stretch could use no index.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import ColumnElement, Select, and_, exists, literal, not_, or_, select, tuple_

from keepbest.errors import InvalidInput
from keepbest.hints import nearest
from keepbest.query.columns import COLUMNS
from keepbest.query.terms import Field
from keepbest.query.values import kind_of
from tracker.models import MetricSummaryTable, RunParameterTable, RunTable
from tracker.store.search.fields import PARTS, find_column
from tracker.store.search.scope import Scope

Order = Literal["asc", "desc"]

_KINDS = {"number": float, "duration": float, "time": datetime}
#: Columns of whole numbers.
_WHOLE = ("number", "step", "priority", "patience")
#: What no list is sorted by.
_UNSORTED = ("notes",)


@dataclass(frozen=True, slots=True)
class Stretch:
    """A part of a list: the rows of one table, in the order of one column and then of the runs' numbers."""

    pk: Any
    #: None where the runs' numbers alone are the order.
    value: Any
    #: What cursors hold of the value.
    kind: type
    is_down: bool
    #: What makes a row belong here, and what makes it belong to the scope.
    conditions: Sequence[ColumnElement[bool]]
    scope: Sequence[ColumnElement[bool]]

    def walk(self, after: tuple[Any, int] | None) -> Select[Any]:
        """Select (pk, value) in the order, behind a place: one table and one index, so that no planner can err."""
        return self._ordered(self.scope, after)

    def choose(self, among: ColumnElement[bool], after: tuple[Any, int] | None) -> Select[Any]:
        """Select the same of some runs; without the project's condition no planner takes the long way by its index."""
        return self._ordered([among], after)

    def _ordered(self, where: Sequence[ColumnElement[bool]], after: tuple[Any, int] | None) -> Select[Any]:
        columns = [self.pk] if self.value is None else [self.value, self.pk]
        value = literal(None) if self.value is None else self.value
        query = select(self.pk.label("pk"), value.label("value")).where(*where, *self.conditions)
        if after is not None:
            place = [after[1]] if self.value is None else list(after)
            row, here = tuple_(*columns), tuple_(*(literal(v, c.type) for v, c in zip(place, columns, strict=True)))
            query = query.where(row < here if self.is_down else row > here)
        return query.order_by(*(column.desc() if self.is_down else column for column in columns))


def stretches(field: Field, order: Order, scope: Scope) -> list[Stretch]:
    """Return the stretches of a list in the order of a field."""
    is_down = order == "desc"
    if field.kind == "metric":
        return _by_metric(field, is_down, scope)
    if field.kind == "parameter":
        return _by_parameter(field, is_down, scope)
    if field.kind == "tag" or field.name in _UNSORTED:
        known = [name for name in COLUMNS if name not in _UNSORTED]
        raise InvalidInput(f"Runs cannot be sorted by {field.name or 'tag'!r}.", field="sort", hint=nearest("", known))
    return _by_column(field, is_down, scope)


def _by_column(field: Field, is_down: bool, scope: Scope) -> list[Stretch]:
    if field.name == "created":
        return [Stretch(RunTable.pk, None, int, is_down, (), scope.holds())]
    column = find_column(field.name, is_sqlite=scope.is_sqlite)
    kind = int if field.name in _WHOLE else _KINDS.get(kind_of(field) or "", str)
    present = column <= math.inf if kind is float else column.is_not(None)  # NaN is above every number
    first = Stretch(RunTable.pk, column, kind, is_down, [present], scope.holds())
    return [first, _rest(or_(column.is_(None), not_(present)), scope)]


def _by_metric(field: Field, is_down: bool, scope: Scope) -> list[Stretch]:
    table, column = MetricSummaryTable, PARTS[field.part]
    there = (table.key == field.name, column <= math.inf)
    first = Stretch(table.run_pk, column, float, is_down, there, [scope.in_each_project(table.project_pk)])
    return [first, _rest(_has_none(table, *there), scope)]


def _by_parameter(field: Field, is_down: bool, scope: Scope) -> list[Stretch]:
    table = RunParameterTable
    here, named = [scope.in_each_project(table.project_pk)], table.key == field.name
    numbers = Stretch(table.run_pk, table.number, float, is_down, [named, table.number.is_not(None)], here)
    texts = Stretch(table.run_pk, table.text, str, is_down, [named, table.number.is_(None)], here)
    return [numbers, texts, _rest(_has_none(table, named), scope)]


def _rest(lacks: ColumnElement[bool], scope: Scope) -> Stretch:
    return Stretch(RunTable.pk, None, int, True, [lacks], scope.holds())


def _has_none(table: Any, *there: ColumnElement[bool]) -> ColumnElement[bool]:
    rows = select(literal(1)).where(table.run_pk == RunTable.pk, and_(*there)).correlate(RunTable)
    return not_(exists(rows.offset(0)))
