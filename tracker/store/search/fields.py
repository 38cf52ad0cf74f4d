"""Fields: what each field of a filter is in the tables, as the value of one run."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Double, extract, func, select

from keepbest.contract.runs import Mode
from keepbest.query.terms import Field, Part
from keepbest.stopping import find_mode
from tracker.models import MetricSummaryTable, ProjectTable, RunParameterTable, RunTable, SweepTable

#: Columns of the run's row, by their names in filters.
COLUMNS: dict[str, Any] = {
    "name": RunTable.name,
    "notes": RunTable.notes,
    "id": RunTable.id,
    "number": RunTable.number,
    "recipe": RunTable.recipe,
    "state": RunTable.state,
    "reason": RunTable.stop_reason,
    "worker": RunTable.worker_name,
    "user": RunTable.created_by,
    "commit": RunTable.commit,
    "forked_from": RunTable.forked_from,
    "created": RunTable.created_at,
    "started": RunTable.started_at,
    "ended": RunTable.ended_at,
    "updated": RunTable.updated_at,
    "step": RunTable.step,
    "best": RunTable.best_value,
    "last": RunTable.last_value,
    "priority": RunTable.priority,
    # No column of filters, but of lists.
    "patience": RunTable.patience_left,
    "variant": RunTable.variant,
    "project": select(ProjectTable.name).where(ProjectTable.pk == RunTable.project_pk).scalar_subquery(),
    "sweep": select(SweepTable.id).where(SweepTable.pk == RunTable.sweep_pk).scalar_subquery(),
}
#: Columns of a metric's summary, by what is asked of it.
PARTS: dict[Part, Any] = {
    "best": MetricSummaryTable.best_value,
    "last": MetricSummaryTable.last_value,
    "min": MetricSummaryTable.min_value,
    "max": MetricSummaryTable.max_value,
    "step": MetricSummaryTable.best_step,
    "last_step": MetricSummaryTable.last_step,
}


def find_column(name: str, *, is_sqlite: bool) -> Any:
    """Return the expression of a column."""
    return _duration(is_sqlite) if name == "duration" else COLUMNS[name]


def value_of(field: Field, *, is_sqlite: bool) -> ColumnElement[Any]:
    """Return the value that a run has in a field which has one: a column, a metric's part, a parameter's text."""
    if field.kind == "metric":
        own = (MetricSummaryTable.run_pk == RunTable.pk, MetricSummaryTable.key == field.name)
        return select(PARTS[field.part]).where(*own).correlate(RunTable).scalar_subquery()
    if field.kind == "parameter":
        given = (RunParameterTable.run_pk == RunTable.pk, RunParameterTable.key == field.name)
        return select(RunParameterTable.text).where(*given).correlate(RunTable).scalar_subquery()
    column: ColumnElement[Any] = find_column(field.name, is_sqlite=is_sqlite)
    return column


def _duration(is_sqlite: bool) -> Any:
    """Seconds from start to end, in each database's own words."""
    if is_sqlite:
        days = func.julianday(RunTable.ended_at) - func.julianday(RunTable.started_at)
        return func.round(days * 86_400, 3).cast(Double)  # a day is too large a unit for more
    return extract("epoch", RunTable.ended_at - RunTable.started_at).cast(Double)


def mode_of(key: str) -> Mode | None:
    """Return the direction in which a metric gets better, where its name says it."""
    mode = find_mode(key)
    return None if mode is None else Mode(mode)
