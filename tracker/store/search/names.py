"""The names by which the runs of a scope can be looked for, read from the indexes by leaps from name to name."""

from __future__ import annotations

import json
from typing import Any

from sqlalchemy import ColumnElement, Connection, literal, select

from keepbest.contract.runs import Mode
from keepbest.contract.search import MetricName, ParameterName, ProjectFields
from keepbest.query.known import Known
from keepbest.stopping import find_mode
from tracker.models import (
    MetricSummaryTable,
    ProjectTable,
    RunParameterTable,
    RunTable,
    RunTagTable,
    UserTable,
    WorkerTable,
)
from tracker.store.search.scope import Scope

#: Names of one kind that are known; of parameters, values of each.
MAX_NAMES = 1000
MAX_VALUES = 5

_IS_NUMBER, _IS_TEXT = RunParameterTable.number.is_not(None), RunParameterTable.number.is_(None)


def list_known(conn: Connection, scope: Scope) -> Known:
    """Return what bare names can mean: the metrics and parameters of the scope's runs."""
    metrics, parameters = _list_metrics(conn, scope), _list_parameters(conn, scope)
    is_cut = max(len(metrics), len(parameters)) > MAX_NAMES
    return Known(metrics=metrics, parameters=dict.fromkeys(parameters, ()), is_cut=is_cut)


def list_fields(conn: Connection, scope: Scope) -> ProjectFields:
    """Return everything that completion and columns offer; users and workers are the whole service's."""
    metrics, parameters = _list_metrics(conn, scope), _list_parameters(conn, scope)
    tags = _leap(conn, scope, RunTagTable.project_pk, RunTagTable.tag)
    recipes = _leap(conn, scope, RunTable.project_pk, RunTable.recipe)
    workers = conn.execute(select(WorkerTable.name).distinct().order_by(WorkerTable.name).limit(MAX_NAMES)).scalars()
    users = conn.execute(select(UserTable.name).order_by(UserTable.name).limit(MAX_NAMES)).scalars()
    return ProjectFields(
        metrics=[MetricName(key=key, mode=mode_of(key)) for key in metrics[:MAX_NAMES]],
        parameters=[_show_parameter(conn, scope, key) for key in parameters[:MAX_NAMES]],
        tags=tags[:MAX_NAMES],
        recipes=recipes[:MAX_NAMES],
        workers=list(workers),
        users=list(users),
        is_cut=max(map(len, (metrics, parameters, tags, recipes))) > MAX_NAMES,
    )


def read_value(text: str) -> Any:
    """Return the value that the text of a parameter was written from; what is no JSON is a text."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def mode_of(key: str) -> Mode | None:
    """Return the direction in which a metric gets better, where its name says it."""
    mode = find_mode(key)
    return None if mode is None else Mode(mode)


def _list_metrics(conn: Connection, scope: Scope) -> list[str]:
    return _leap(conn, scope, MetricSummaryTable.project_pk, MetricSummaryTable.key)


def _list_parameters(conn: Connection, scope: Scope) -> list[str]:
    """Numbers and texts have an index each."""
    table = RunParameterTable
    names = [_leap(conn, scope, table.project_pk, table.key, kind) for kind in (_IS_NUMBER, _IS_TEXT)]
    return sorted({*names[0], *names[1]})


def _show_parameter(conn: Connection, scope: Scope, key: str) -> ParameterName:
    table, named = RunParameterTable, RunParameterTable.key == key
    numbers = _leap(conn, scope, table.project_pk, table.number, _IS_NUMBER, named, most=MAX_VALUES)
    texts = _leap(conn, scope, table.project_pk, table.text, _IS_TEXT, named, most=MAX_VALUES)
    values = [*(_plain(number) for number in numbers), *(read_value(text) for text in texts)]
    return ParameterName(key=key, values=values[:MAX_VALUES], differs=len(values) > 1)


def _plain(number: float) -> float | int:
    return int(number) if number.is_integer() and abs(number) < 2**53 else number


def _leap(
    conn: Connection, scope: Scope, project: Any, column: Any, *where: ColumnElement[bool], most: int = MAX_NAMES
) -> list[Any]:
    """Return the different values of an indexed column, one more than `most` where there are more.

    Each is found from the one before by one look into the index, so that a million runs cost no more than a hundred.
    """
    there = select(column).where(column.is_not(None), *where).order_by(column).limit(1)
    first = there.where(project == ProjectTable.pk).correlate(ProjectTable).scalar_subquery()
    start = select(ProjectTable.pk.label("project_pk"), first.label("value"), literal(0).label("leaps"))
    seen = start.where(*scope.in_project(ProjectTable.pk)).cte("seen", recursive=True)
    following = there.where(project == seen.c.project_pk, column > seen.c.value).correlate(seen).scalar_subquery()
    leap = select(seen.c.project_pk, following, seen.c.leaps + 1)
    seen = seen.union_all(leap.where(seen.c.value.is_not(None), seen.c.leaps <= most))
    different = select(seen.c.value).where(seen.c.value.is_not(None)).distinct().order_by(seen.c.value)
    return list(conn.execute(different.limit(most + 1)).scalars())
