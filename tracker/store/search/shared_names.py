"""The names of the runs that a read-only link shows, read from those runs and not by leaps over the whole project."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Connection, select

from keepbest.contract.names import SYSTEM
from keepbest.contract.search import MetricName, ParameterName, ProjectFields
from keepbest.query.known import Known
from tracker.models import MetricSummaryTable, RunParameterTable, RunTable, RunTagTable
from tracker.store.search.fields import mode_of
from tracker.store.search.scope import Scope

#: Names of one kind that a link tells.
MAX_SHARED_NAMES = 1000


def list_known(conn: Connection, scope: Scope) -> Known:
    """Return what bare names can mean among the runs that the link shows."""
    metrics = _list(conn, scope, MetricSummaryTable, MetricSummaryTable.key)
    parameters = _list(conn, scope, RunParameterTable, RunParameterTable.key)
    is_cut = max(len(metrics), len(parameters)) >= MAX_SHARED_NAMES
    return Known(metrics=metrics, parameters=dict.fromkeys(parameters, ()), is_cut=is_cut)


def list_fields(conn: Connection, scope: Scope) -> ProjectFields:
    """Return what completion and columns offer, without people, workers and values."""
    metrics = _list(conn, scope, MetricSummaryTable, MetricSummaryTable.key)
    parameters = _list(conn, scope, RunParameterTable, RunParameterTable.key)
    recipes = select(RunTable.recipe).where(*scope.holds()).distinct()
    return ProjectFields(
        metrics=[MetricName(key=key, mode=mode_of(key)) for key in metrics if not key.startswith(SYSTEM)],
        parameters=[ParameterName(key=key, values=[], differs=True) for key in parameters],
        tags=_list(conn, scope, RunTagTable, RunTagTable.tag),
        recipes=sorted(name for name in conn.execute(recipes.limit(MAX_SHARED_NAMES)).scalars() if name is not None),
        workers=[],
        users=[],
        is_cut=max(len(metrics), len(parameters)) >= MAX_SHARED_NAMES,
    )


def _list(conn: Connection, scope: Scope, table: Any, column: Any) -> list[str]:
    """Return the different names in a column of the tables that have a row for each run and name."""
    shown: ColumnElement[bool] = table.run_pk.in_(select(RunTable.pk).where(*scope.holds()))
    return list(conn.execute(select(column).where(shown).distinct().order_by(column).limit(MAX_SHARED_NAMES)).scalars())
