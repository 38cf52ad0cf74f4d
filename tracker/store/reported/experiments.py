"""Experiments: what MLflow calls projects. An experiment's id is the project's internal number; that of `Default` is 0.

`Default` is there before its project is: the first run in it makes the project.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Connection,
    Row,
    Text,
    and_,
    cast,
    false,
    func,
    literal,
    not_,
    or_,
    select,
    true,
    update,
)

from keepbest.contract.names import to_name
from keepbest.errors import Conflict, InvalidInput, NotFound
from keepbest.query.terms import And, Condition, Or, Term
from tracker.models import ProjectTable, ProjectTagTable, RunTable
from tracker.store import cursors, events, projects
from tracker.store.access import audit
from tracker.store.reported import keyed_tags
from tracker.store.search.compile import compare_text
from tracker.store.search.sorts import Order

DEFAULT, DEFAULT_ID = "Default", "0"
#: The tag that holds an experiment's name where no project's name can be the same.
GIVEN = "keepbest.experimentName"
#: Runs of a project that may be renamed at once.
MAX_RENAMED = 100_000
#: Characters of a project's description.
MAX_DESCRIPTION = 10_000


@dataclass(frozen=True, slots=True)
class Experiment:
    """A project as MLflow sees it; `pk` is None for the `Default` that has no project yet."""

    id: str
    name: str
    pk: int | None = None
    project: str | None = None
    created_at: datetime | None = None
    is_deleted: bool = False
    tags: Mapping[str, str] = field(default_factory=dict)


class NameTaken(Conflict):
    """There is an experiment of this name."""


def get_experiment(conn: Connection, id: str) -> Experiment:
    """Return the experiment with this id, a deleted one too; raises NotFound."""
    is_default = ProjectTable.name == DEFAULT
    is_meant = is_default if id == DEFAULT_ID else ProjectTable.pk == (int(id) if _is_number(id) else -1)
    row = conn.execute(_select().where(is_meant)).one_or_none()
    if row is None and id == DEFAULT_ID:
        return Experiment(DEFAULT_ID, DEFAULT)
    if row is None:
        raise NotFound(
            f"No Experiment with id={id} exists.", field="experiment_id", hint="`keepbest project ls` lists them."
        )
    return _show(conn, [row])[0]


def find_by_name(conn: Connection, name: str) -> Experiment | None:
    """Return the experiment of this name, a deleted one too."""
    given = select(ProjectTagTable.project_pk).where(ProjectTagTable.key == GIVEN, ProjectTagTable.value == name)
    own_name = (ProjectTable.name == name) & ~_has_tag(GIVEN, "!=", [], is_sqlite=False)
    for is_meant in (ProjectTable.pk.in_(given), own_name):
        row = conn.execute(_select().where(is_meant).limit(1)).one_or_none()
        if row is not None:
            return _show(conn, [row])[0]
    return Experiment(DEFAULT_ID, DEFAULT) if name == DEFAULT else None


def create_experiment(conn: Connection, name: str, tags: Mapping[str, str], *, user: str, now: datetime) -> Experiment:
    """Make an experiment; raises Conflict where the name is taken, InvalidInput where nothing of it can be a name."""
    if find_by_name(conn, name) is not None:
        raise NameTaken(f"Experiment(name={name}) already exists.", field="name", hint="Choose another name.")
    own = _name_project(conn, name)
    row = projects.ensure_project(conn, own, user=user, now=now)
    set_tags(conn, row.pk, tags)
    if own != name:
        keyed_tags.set_project_tags(conn, row.pk, {GIVEN: name})
    return get_experiment(conn, str(row.pk))


def ensure_experiment(conn: Connection, id: str, *, user: str, now: datetime) -> Row[Any]:
    """Return the project of an experiment that is not deleted, locked; that of `Default` is made if it is missing."""
    experiment = get_experiment(conn, id)
    if experiment.is_deleted:
        message = f"The experiment {id} must be in the 'active' state. Current state is deleted."
        raise Conflict(message, field="experiment_id", hint="Restore it: mlflow experiments restore.")
    return projects.ensure_project(conn, experiment.project or DEFAULT, user=user, now=now)


def set_tags(conn: Connection, project_pk: int, tags: Mapping[str, str]) -> None:
    """Set tags of an experiment; its description is the project's."""
    if keyed_tags.NOTES in tags:
        about = update(ProjectTable).where(ProjectTable.pk == project_pk)
        conn.execute(about.values(description=tags[keyed_tags.NOTES][:MAX_DESCRIPTION]))
    others = {key: value for key, value in tags.items() if key not in (keyed_tags.NOTES, GIVEN)}
    keyed_tags.set_project_tags(conn, project_pk, others)


def rename_experiment(conn: Connection, id: str, name: str, *, user: str, now: datetime) -> None:
    """Give an experiment, and its project, another name; raises Conflict where it is taken."""
    row = ensure_experiment(conn, id, user=user, now=now)
    known = find_by_name(conn, name)
    if known is not None and known.pk != row.pk:
        raise NameTaken(f"Experiment(name={name}) already exists.", field="new_name", hint="Choose another name.")
    if row.next_number > MAX_RENAMED:
        raise InvalidInput(f"A project of more than {MAX_RENAMED:,} runs keeps its name.", field="new_name")
    own = row.name if to_name(name) == row.name else _name_project(conn, name)
    conn.execute(update(ProjectTable).where(ProjectTable.pk == row.pk).values(name=own))
    conn.execute(update(RunTable).where(RunTable.project_pk == row.pk).values(spec=_with_project(conn, own)))
    given = keyed_tags.read_project_tags(conn, [row.pk])[row.pk]
    if own != name:
        keyed_tags.set_project_tags(conn, row.pk, {GIVEN: name})
    elif GIVEN in given:
        keyed_tags.delete_project_tag(conn, row.pk, GIVEN)
    audit.record(conn, user, "project.rename", own, now, {"from": row.name})
    events.append_to_project(conn, "project.changed", own, {"from": row.name}, now)


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
    query = _select().where(*_viewed(view), *([] if term is None else [_compile(term, conn.dialect.name == "sqlite")]))
    by = [_COLUMNS[name].desc() if order == "desc" else _COLUMNS[name] for name, order in orders]
    rows = conn.execute(query.order_by(*by, ProjectTable.pk.desc()).offset(max(start, 0)).limit(limit + 1)).all()
    page = _show(conn, rows[:limit])
    more = cursors.write("experiments", [max(start, 0) + limit]) if len(rows) > limit else None
    lacks_default = (
        term is None and view != "deleted" and find_by_name(conn, DEFAULT) == Experiment(DEFAULT_ID, DEFAULT)
    )
    return ([*page, Experiment(DEFAULT_ID, DEFAULT)] if lacks_default and more is None else page), more


def find_pks(conn: Connection, ids: Sequence[str]) -> list[int]:
    """Return the numbers of the projects of these experiments that there are."""
    numbers = [int(id) for id in ids if _is_number(id) and id != DEFAULT_ID]
    is_meant: ColumnElement[bool] = ProjectTable.pk.in_(numbers)
    is_meant = is_meant | (ProjectTable.name == DEFAULT) if DEFAULT_ID in ids else is_meant
    return list(conn.execute(select(ProjectTable.pk).where(is_meant).order_by(ProjectTable.pk)).scalars())


def id_of(project_pk: int, name: str) -> str:
    """Return the id of the experiment that a project of this number and name is."""
    return DEFAULT_ID if name == DEFAULT else str(project_pk)


def _select() -> Any:
    return select(*ProjectTable.__table__.columns)


def _show(conn: Connection, rows: Any) -> list[Experiment]:
    known = keyed_tags.read_project_tags(conn, [row.pk for row in rows])
    return [_show_one(row, known[row.pk]) for row in rows]


def _show_one(row: Row[Any], own: dict[str, str]) -> Experiment:
    name = own.pop(GIVEN, row.name)
    shown = {**own, **({keyed_tags.NOTES: row.description} if row.description else {})}
    return Experiment(
        id_of(row.pk, row.name), name, row.pk, row.name, row.created_at, row.deleted_at is not None, shown
    )


def _is_number(id: str) -> bool:
    return id.isascii() and id.isdigit() and len(id) < 19


def _name_project(conn: Connection, name: str) -> str:
    """Return the nearest name of a project that is free."""
    own = to_name(name)
    if not own:
        raise InvalidInput(f"Invalid experiment name: {name!r}", field="name", hint="A name has a letter or a digit.")
    tried, number = own, 1
    while conn.execute(select(literal(1)).where(ProjectTable.name == tried)).first() is not None:
        number += 1
        tried = to_name(f"{own[:90]}-{number}")
    return tried


def _with_project(conn: Connection, name: str) -> Any:
    """Return the expression of a run's spec with another project in it, in each database's own words."""
    if conn.dialect.name == "sqlite":
        return func.json_set(RunTable.spec, "$.project", name)
    return func.jsonb_set(RunTable.spec, cast(["project"], ARRAY(Text)), func.to_jsonb(cast(name, Text)))


def _viewed(view: str) -> list[ColumnElement[bool]]:
    there: ColumnElement[bool] = ProjectTable.deleted_at.is_(None)
    return {"active": [there], "deleted": [not_(there)]}.get(view, [])


_COLUMNS: dict[str, Any] = {
    "name": ProjectTable.name,
    "id": ProjectTable.pk,
    "created": ProjectTable.created_at,
    "updated": ProjectTable.created_at,
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
    if operator == "not in":
        return not_(_compile_condition(Condition(condition.field, "in", tuple(values)), is_sqlite))
    if name == "id":
        numbers = [int(str(value)) for value in values if _is_number(str(value)) and value != DEFAULT_ID]
        same: ColumnElement[bool] = ProjectTable.pk.in_(numbers) & (ProjectTable.name != DEFAULT)
        return same | (ProjectTable.name == DEFAULT) if DEFAULT_ID in values else same
    if name == "name":
        named = compare_text(ProjectTable.name, operator, values, is_sqlite=is_sqlite)
        return named | _has_tag(GIVEN, operator, values, is_sqlite=is_sqlite)
    (moment,) = values
    column = _COLUMNS[name]
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
