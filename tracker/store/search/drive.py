"""Driving: the runs that a selective condition can hold for, read from its index, a bounded number of them.

SQLite keeps no histograms, and Postgres guesses; so nobody guesses here. Each condition that has an index is asked for
its runs up to a bound. One that has fewer names all runs that the filter can hold for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from sqlalchemy import Connection, Select, and_, select

from keepbest.query.terms import And, Condition, Field, Operand, Or, Term
from keepbest.query.values import kind_of
from tracker.models import (
    MetricSummaryTable,
    RunDatasetTable,
    RunKeyedTagTable,
    RunParameterTable,
    RunTable,
    RunTagTable,
    SweepTable,
)
from tracker.store.search import compile as conditions
from tracker.store.search.entries import read_number
from tracker.store.search.fields import COLUMNS, PARTS
from tracker.store.search.scope import Scope
from tracker.store.search.visibility import visible

#: Conditions of one filter that are asked for their runs.
MAX_ASKED = 20
#: Runs that each of several conditions may name: to read them costs less than to check so many.
TOGETHER = 12_000
#: So few runs that no other condition needs to be asked.
FEW = 100
#: Columns with an index that begins with the project.
_INDEXED = ("number", "recipe", "variant", "user", "commit", "created", "started", "ended", "best", "last")


class Driver:
    """Finds the runs that a tree can hold for, of one scope, at most `bound` of them."""

    def __init__(self, conn: Connection, scope: Scope, bound: int) -> None:
        self._conn = conn
        self._scope = scope
        self._bound = bound
        self._queries = 0

    def find(self, term: Term) -> set[int] | None:
        """Return internal numbers of runs, among them all that match; None where they are too many, or not known."""
        return self._find(term, self._bound)

    def _find(self, term: Term, most: int) -> set[int] | None:
        match term:
            case And(parts):
                return self._intersect(parts, most)
            case Or(parts):
                return self._join(parts, most)
            case Condition():
                return self._ask(term, most)
        return None

    def _intersect(self, parts: Sequence[Term], most: int) -> set[int] | None:
        """Several conditions may be selective together where none is alone."""
        common: set[int] | None = None
        for part in parts:
            named = self._find(part, max(most, TOGETHER))
            if named is not None:
                common = named if common is None else common & named
            if common is not None and len(common) <= FEW:
                break
        return common if common is not None and len(common) <= most else None

    def _join(self, parts: Sequence[Term], most: int) -> set[int] | None:
        joined = set[int]()
        for part in parts:
            named = self._find(part, most)
            if named is None:
                return None
            joined |= named
        return joined if len(joined) <= most else None

    def _ask(self, condition: Condition, most: int) -> set[int] | None:
        finder = None if None in condition.values else _FINDERS.get(condition.field.kind)
        named = set[int]()
        for query in finder(condition, self._scope) if finder else [None]:
            if query is None or self._queries >= MAX_ASKED:
                return None
            self._queries += 1
            named.update(self._conn.execute(query.limit(most + 1)).scalars().all())
            if len(named) > most:
                return None
        return named


Queries = Iterator[Select[Any] | None]


def _find_metric(condition: Condition, scope: Scope) -> Queries:
    """Of best and last, the index holds the values; else it names the runs that have the metric at all."""
    if condition.operator not in _COMPARED:
        yield None
        return
    table, field = MetricSummaryTable, condition.field
    named = select(table.run_pk).where(scope.in_each_project(table.project_pk), table.key == field.name)
    if field.part in ("best", "last"):
        named = named.where(conditions.compare_number(PARTS[field.part], condition.operator, condition.values))
    yield named


def _find_parameter(condition: Condition, scope: Scope) -> Queries:
    """A number is looked for in the index of numbers; a text in that of texts, and of numbers where it reads as one."""
    if condition.operator not in _COMPARED:
        yield None
        return
    table = RunParameterTable
    named = select(table.run_pk).where(scope.in_each_project(table.project_pk), table.key == condition.field.name)
    if condition.operator not in ("=", "in"):
        yield named.where(
            table.number.is_not(None), conditions.compare_parameter(condition.operator, condition.values, False)
        )
        return
    for value in condition.values:
        if conditions.is_number(value):
            yield named.where(table.number.is_not(None), table.number == value)
            continue
        text = conditions.write_operand(value)
        yield named.where(table.number.is_(None), table.text == text)
        if (number := read_number(value)) is not None:
            yield named.where(table.number.is_not(None), table.number == number, table.text == text)


def _find_tag(condition: Condition, scope: Scope) -> Queries:
    name = condition.field.name
    if condition.operator not in ("=", "in"):
        yield None
        return
    tags = [f"{name}={value}" if name else str(value) for value in condition.values]
    table, keyed = RunTagTable, RunKeyedTagTable
    yield select(table.run_pk).where(scope.in_each_project(table.project_pk), table.tag.in_(tags))
    if name:
        fits = conditions.compare_text(keyed.text, "in", condition.values, is_sqlite=scope.is_sqlite)
        yield select(keyed.run_pk).where(scope.in_each_project(keyed.project_pk), keyed.key == name, fits)
        return
    for key, equals, value in (tag.partition("=") for tag in tags):  # a whole tag may have its key and value apart
        if equals:
            fits = conditions.compare_text(keyed.text, "=", [value], is_sqlite=scope.is_sqlite)
            yield select(keyed.run_pk).where(scope.in_each_project(keyed.project_pk), keyed.key == key, fits)


def _find_dataset(condition: Condition, scope: Scope) -> Queries:
    """Only names have an index."""
    if condition.operator not in ("=", "in") or condition.field.name != "name":
        yield None
        return
    table = RunDatasetTable
    yield select(table.run_pk).where(scope.in_each_project(table.project_pk), table.name.in_(condition.values))


def _find_column(condition: Condition, scope: Scope) -> Queries:
    field, operator, values = condition.field, condition.operator, condition.values
    if operator not in _COMPARED:
        yield None
    elif field.name == "state" and operator in ("=", "in"):
        here = (scope.in_each_project(RunTable.project_pk), visible(scope.principal, scope.view))
        yield select(RunTable.pk).where(*here, RunTable.state.in_(values))
    elif field.name in _INDEXED:
        compared = conditions.compare_column(field, operator, values, is_sqlite=scope.is_sqlite)
        yield select(RunTable.pk).where(scope.in_each_project(RunTable.project_pk), compared)
    elif kind_of(field) == "id":
        yield _find_ids(field, values)
    else:
        yield None


def _find_ids(field: Field, values: Sequence[Operand]) -> Select[Any]:
    """These indexes do not begin with the project, and need not."""
    column = SweepTable.id if field.name == "sweep" else COLUMNS[field.name]
    begins = conditions.begins_id(column, values)
    if field.name == "sweep":
        sweeps = select(SweepTable.pk).where(begins)
        return select(RunTable.pk).where(RunTable.sweep_pk.is_not(None), RunTable.sweep_pk.in_(sweeps))
    return select(RunTable.pk).where(and_(column.is_not(None), begins))


_COMPARED = ("=", "in", "<", "<=", ">", ">=")
_FINDERS: dict[str, Callable[[Condition, Scope], Queries]] = {
    "metric": _find_metric,
    "parameter": _find_parameter,
    "tag": _find_tag,
    "dataset": _find_dataset,
    "column": _find_column,
}
