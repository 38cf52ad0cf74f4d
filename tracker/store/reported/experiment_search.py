"""Experiments found by MLflow's filters, in its orders and pages."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, false, func, literal, not_, or_, select, true

from keepbest.errors import InvalidInput
from keepbest.query.terms import And, Condition, Or, Term
from tracker.models import ProjectTable, ProjectTagTable
from tracker.store import cursors
from tracker.store.reported import experiments
from tracker.store.reported.experiments import DEFAULT, DEFAULT_ID, GIVEN, Experiment
from tracker.store.search.compile import compare_text
from tracker.store.search.sorts import Order


def search_experiments(
    conn: Connection,
    term: Term | None,
    orders: list[tuple[str, Order]],
    *,
    view: str,
    cursor: str | None,
    limit: int,
) -> tuple[list[Experiment], str | None]:
    """Return a page of experiments, the newest first where no order is given, and the cursor behind it."""
    (start,) = cursors.read(cursor, "experiments", int) if cursor else (0,)
    query = experiments.select_experiments().where(
        *_viewed(view), *([] if term is None else [_compile(term, conn.dialect.name == "sqlite")])
    )
    by = [_COLUMNS[name].desc() if order == "desc" else _COLUMNS[name] for name, order in orders]
    rows = conn.execute(query.order_by(*by, ProjectTable.pk.desc()).offset(max(start, 0)).limit(limit + 1)).all()
    page = experiments.show_experiments(conn, rows[:limit])
    more = cursors.write("experiments", [max(start, 0) + limit]) if len(rows) > limit else None
    lacks_default = (
        term is None
        and view != "deleted"
        and experiments.find_by_name(conn, DEFAULT) == Experiment(DEFAULT_ID, DEFAULT)
    )
    return ([*page, Experiment(DEFAULT_ID, DEFAULT)] if lacks_default and more is None else page), more


def _viewed(view: str) -> list[ColumnElement[bool]]:
    there: ColumnElement[bool] = ProjectTable.deleted_at.is_(None)
    return {"active": [there], "deleted": [not_(there)]}.get(view, [])


#: The name that MLflow knows: the one that was given, where that could not be the project's.
_NAME: ColumnElement[str] = func.coalesce(
    select(ProjectTagTable.value)
    .where(ProjectTagTable.project_pk == ProjectTable.pk, ProjectTagTable.key == GIVEN)
    .correlate(ProjectTable)
    .scalar_subquery(),
    ProjectTable.name,
)
_COLUMNS: dict[str, Any] = {
    "name": _NAME,
    "id": ProjectTable.pk,
    "created": ProjectTable.created_at,
    "updated": ProjectTable.created_at,
    "notes": func.nullif(ProjectTable.description, ""),
}


def _compile(term: Term, is_sqlite: bool) -> ColumnElement[bool]:
    match term:
        case And(parts):
            return and_(true(), *(_compile(part, is_sqlite) for part in parts))
        case Or(parts):
            return or_(false(), *(_compile(part, is_sqlite) for part in parts))
        case Condition():
            return _compile_condition(term, is_sqlite)
    raise InvalidInput("This is no filter of experiments.", field="filter")


def _compile_condition(condition: Condition, is_sqlite: bool) -> ColumnElement[bool]:
    """Return what a condition means; `not in` holds where there is a value, and no such one."""
    name, operator = condition.field.name, condition.operator
    values = [value for value in condition.values if value is not None]
    if condition.field.kind == "tag":
        return _has_tag(name, operator, values, is_sqlite=is_sqlite)
    column = _COLUMNS[name]
    if not values:
        return column.is_(None) if operator == "=" else column.is_not(None)  # type: ignore[no-any-return]
    if operator == "not in":
        return not_(_compile_condition(Condition(condition.field, "in", tuple(values)), is_sqlite))
    if name == "id":
        numbers = [int(str(value)) for value in values if experiments.is_number(str(value)) and value != DEFAULT_ID]
        same: ColumnElement[bool] = ProjectTable.pk.in_(numbers) & (ProjectTable.name != DEFAULT)
        return same | (ProjectTable.name == DEFAULT) if DEFAULT_ID in values else same
    if name in ("name", "notes"):
        return compare_text(column, operator, values, is_sqlite=is_sqlite)
    (moment,) = values
    ordered: ColumnElement[bool] = column < moment if operator == "<" else column >= moment
    return ordered


def _has_tag(key: str, operator: str, values: list[Any], *, is_sqlite: bool) -> ColumnElement[bool]:
    """Whether a project has a tag that fits; `=` and no value: that it has none of this key, `!=`: that it has."""
    table = ProjectTagTable
    own = select(literal(1)).where(table.project_pk == ProjectTable.pk, table.key == key).correlate(ProjectTable)
    if not values:
        return not_(own.exists()) if operator == "=" else own.exists()
    if operator == "not in":
        return own.where(not_(compare_text(table.value, "in", values, is_sqlite=is_sqlite))).exists()
    return own.where(compare_text(table.value, operator, values, is_sqlite=is_sqlite)).exists()
