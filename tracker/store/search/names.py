"""The names by which the runs of a scope can be looked for, read from the indexes by leaps from name to name."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, literal, select, true

from keepbest.contract.names import SYSTEM
from keepbest.contract.search import MetricName, ParameterName, ProjectFields
from keepbest.query.known import Known
from tracker.models import (
    MetricSummaryTable,
    ProjectTable,
    RunParameterTable,
    RunTable,
    RunTagTable,
    WorkerTable,
)
from tracker.store.search import shared_names
from tracker.store.search.fields import mode_of
from tracker.store.search.scope import Scope

#: Names of one kind that are known; of parameters, values of each.
MAX_NAMES = 1000
MAX_VALUES = 5

_IS_NUMBER, _IS_TEXT = RunParameterTable.number.is_not(None), RunParameterTable.number.is_(None)


def list_known(conn: Connection, scope: Scope) -> Known:
    """Return what bare names can mean: the metrics and parameters of the scope's runs."""
    if scope.is_shared:
        return shared_names.list_known(conn, scope)
    metrics, parameters = _list_metrics(conn, scope), _list_parameters(conn, scope)
    is_cut = max(len(metrics), len(parameters)) > MAX_NAMES
    return Known(metrics=metrics, parameters=dict.fromkeys(parameters, ()), is_cut=is_cut)


def list_fields(conn: Connection, scope: Scope) -> ProjectFields:
    """Return what completion and columns offer by themselves: all names but those of the machine's own curves.

    The workers are the whole service's; the users are those who have runs here.
    """
    if scope.is_shared:
        return shared_names.list_fields(conn, scope)
    metrics = [key for key in _list_metrics(conn, scope) if not key.startswith(SYSTEM)]
    parameters = _list_parameters(conn, scope)
    tags = _leap(conn, scope, RunTagTable.project_pk, RunTagTable.tag)
    recipes = _leap(conn, scope, RunTable.project_pk, RunTable.recipe)
    users = _leap(conn, scope, RunTable.project_pk, RunTable.created_by)
    workers = conn.execute(select(WorkerTable.name).distinct().order_by(WorkerTable.name).limit(MAX_NAMES)).scalars()
    return ProjectFields(
        metrics=[MetricName(key=key, mode=mode_of(key)) for key in metrics[:MAX_NAMES]],
        parameters=_show_parameters(conn, scope, parameters[:MAX_NAMES]),
        tags=tags[:MAX_NAMES],
        recipes=recipes[:MAX_NAMES],
        workers=list(workers),
        users=users[:MAX_NAMES],
        is_cut=max(map(len, (metrics, parameters, tags, recipes, users))) > MAX_NAMES,
    )


def read_value(text: str) -> Any:
    """Return the value that the text of a parameter was written from; what is no JSON is a text."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def _list_metrics(conn: Connection, scope: Scope) -> list[str]:
    return _leap(conn, scope, MetricSummaryTable.project_pk, MetricSummaryTable.key)


def _list_parameters(conn: Connection, scope: Scope) -> list[str]:
    """Numbers and texts have an index each."""
    table = RunParameterTable
    names = [_leap(conn, scope, table.project_pk, table.key, kind) for kind in (_IS_NUMBER, _IS_TEXT)]
    return sorted({*names[0], *names[1]})


def _show_parameters(conn: Connection, scope: Scope, keys: Sequence[str]) -> list[ParameterName]:
    values: dict[str, list[Any]] = {key: [] for key in keys}
    for key, number in _leap_values(conn, scope, keys, RunParameterTable.number, _IS_NUMBER):
        values[key].append(_plain(number))
    for key, text in _leap_values(conn, scope, keys, RunParameterTable.text, _IS_TEXT):
        values[key].append(read_value(text))
    return [ParameterName(key=key, values=some[:MAX_VALUES], differs=len(some) > 1) for key, some in values.items()]


def _plain(number: float) -> float | int:
    return int(number) if number.is_integer() and abs(number) < 2**53 else number


def _leap(conn: Connection, scope: Scope, project: Any, column: Any, *where: ColumnElement[bool]) -> list[Any]:
    """Return the different values of an indexed column, one more than `MAX_NAMES` where there are more.

    Each is found from the one before by one look into the index, so that a million runs cost no more than a hundred.
    """
    there = select(column).where(column.is_not(None), *where).order_by(column).limit(1)
    first = there.where(project == ProjectTable.pk).correlate(ProjectTable).scalar_subquery()
    start = select(ProjectTable.pk.label("project_pk"), first.label("value"), literal(0).label("leaps"))
    seen = start.where(*scope.in_project(ProjectTable.pk)).cte("seen", recursive=True)
    following = there.where(project == seen.c.project_pk, column > seen.c.value).correlate(seen).scalar_subquery()
    leap = select(seen.c.project_pk, following, seen.c.leaps + 1)
    seen = seen.union_all(leap.where(seen.c.value.is_not(None), seen.c.leaps <= MAX_NAMES))
    different = select(seen.c.value).where(seen.c.value.is_not(None)).distinct().order_by(seen.c.value)
    return list(conn.execute(different.limit(MAX_NAMES + 1)).scalars())


def _leap_values(
    conn: Connection, scope: Scope, keys: Sequence[str], column: Any, kind: ColumnElement[bool]
) -> list[tuple[str, Any]]:
    """Return (key, value) of the first values of each of these parameters, with one statement of leaps as `_leap`."""
    table, given = RunParameterTable, scope.list_texts(keys)
    there = select(column).where(kind).order_by(column).limit(1)
    first = there.where(table.project_pk == ProjectTable.pk, table.key == given).correlate(ProjectTable, given.table)
    start = select(
        ProjectTable.pk.label("project_pk"),
        given.label("key"),
        first.scalar_subquery().label("value"),
        literal(0).label("leaps"),
    )
    start = start.join_from(ProjectTable, given.table, true()).where(*scope.in_project(ProjectTable.pk))
    seen = start.cte("seen", recursive=True)
    here = (table.project_pk == seen.c.project_pk, table.key == seen.c.key, column > seen.c.value)
    following = there.where(*here).correlate(seen).scalar_subquery()
    leap = select(seen.c.project_pk, seen.c.key, following, seen.c.leaps + 1)
    seen = seen.union_all(leap.where(seen.c.value.is_not(None), seen.c.leaps < MAX_VALUES))
    different = select(seen.c.key, seen.c.value).where(seen.c.value.is_not(None)).distinct()
    return [(row.key, row.value) for row in conn.execute(different.order_by(seen.c.key, seen.c.value))]
