"""Driving: the runs that a selective condition can hold for, read from its index, a bounded number of them.

SQLite keeps no histograms, and Postgres guesses; so nobody guesses here. Each condition that has an index is asked for
the runs that it names, up to a bound. Their numbers come as one value, so that a thousand cost no thousand rows, and
are joined as sets. Every query keeps its LIMIT and stands alone, so that no planner has anything to plan.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence, Set
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Select, and_, func, select

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
#: Runs that each of several conditions may name: to join so many costs less than to check them.
TOGETHER = 12_000
#: So few runs that no other condition needs to be asked.
FEW = 100
#: Columns with an index that begins with the project.
_INDEXED = ("number", "recipe", "variant", "user", "commit", "created", "started", "ended", "best", "last")
#: Parts of a metric with an index.
_INDEXED_PARTS = ("best", "last")


@dataclass(frozen=True, slots=True)
class DrivenRuns:
    """Internal numbers of runs, among them all that match; `is_exact`: they are those that match, in every project."""

    pks: Set[int]
    is_exact: bool


class Driver:
    """Finds the runs that a tree can hold for, of one scope, at most `bound` of them."""

    def __init__(self, conn: Connection, scope: Scope, bound: int) -> None:
        self._conn = conn
        self._scope = scope
        self._bound = bound
        self._queries = 0

    def find(self, term: Term) -> DrivenRuns | None:
        """Return runs, among them all that match; None where they are too many, or not known."""
        runs = self._find(term, self._bound)
        return runs if runs is not None and len(runs.pks) <= self._bound else None

    def _find(self, term: Term, most: int) -> DrivenRuns | None:
        match term:
            case And(parts):
                return self._intersect(parts, most)
            case Or(parts):
                return self._unite(self._find(part, most) for part in parts)
            case Condition():
                return self._ask(term, most)
        return None

    def _intersect(self, parts: Sequence[Term], most: int) -> DrivenRuns | None:
        """Several conditions may be selective together where none is alone."""
        named: list[DrivenRuns] = []
        for part in parts:
            each = self._find(part, max(most, TOGETHER))
            if each is not None:
                named.append(each)
            if each is not None and len(each.pks) <= FEW:
                break
        if not named:
            return None
        fewest, *others = sorted((each.pks for each in named), key=len)
        is_exact = len(named) == len(parts) and all(each.is_exact for each in named)
        return DrivenRuns(frozenset(fewest).intersection(*others), is_exact)

    def _unite(self, parts: Iterator[DrivenRuns | None]) -> DrivenRuns | None:
        pks, is_exact = set[int](), True
        for part in parts:
            if part is None:
                return None
            pks |= part.pks
            is_exact = is_exact and part.is_exact
        return DrivenRuns(pks, is_exact)

    def _ask(self, condition: Condition, most: int) -> DrivenRuns | None:
        finder = None if None in condition.values else _FINDERS.get(condition.field.kind)
        queries = finder(condition, self._scope) if finder else iter([None])
        return self._unite(self._read(query, _is_exact(condition), most) for query in queries)

    def _read(self, query: Select[Any] | None, is_exact: bool, most: int) -> DrivenRuns | None:
        if query is None or self._queries >= MAX_ASKED:
            return None
        self._queries += 1
        column = query.limit(most + 1).subquery().c[0]
        if self._scope.is_sqlite:
            pks = json.loads(self._conn.execute(select(func.json_group_array(column))).scalar_one())
        else:
            pks = self._conn.execute(select(func.array_agg(column))).scalar_one() or []
        return DrivenRuns(frozenset(pks), is_exact) if len(pks) <= most else None


def _is_exact(condition: Condition) -> bool:
    """Whether the index answers a condition itself; of a metric's other parts it only knows who has the metric."""
    return condition.field.kind != "metric" or condition.field.part in _INDEXED_PARTS


Queries = Iterator[Select[Any] | None]


def _find_metric(condition: Condition, scope: Scope) -> Queries:
    """Of best and last, the index holds the values; else it names the runs that have the metric at all."""
    if condition.operator not in _COMPARED:
        yield None
        return
    table, field = MetricSummaryTable, condition.field
    named = select(table.run_pk).where(scope.in_each_project(table.project_pk), table.key == field.name)
    if field.part in _INDEXED_PARTS:
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
