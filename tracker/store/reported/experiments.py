"""Experiments: what MLflow calls projects. An experiment's id is the project's internal number; that of `Default` is 0.

`Default` is there before its project is: the first run in it makes the project.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import count
from typing import Any

from sqlalchemy import ARRAY, ColumnElement, Connection, Row, Text, cast, func, literal, select, update

from keepbest.contract.names import to_name
from keepbest.contract.projects import ProjectRequest
from keepbest.errors import Conflict, InvalidInput, NotFound
from tracker.models import ProjectTable, ProjectTagTable, RunTable
from tracker.store import events, projects
from tracker.store.access import audit
from tracker.store.reported import keyed_tags

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
    is_meant = is_default if id == DEFAULT_ID else ProjectTable.pk == (int(id) if is_number(id) else -1)
    row = conn.execute(select_experiments().where(is_meant)).one_or_none()
    if row is None and id == DEFAULT_ID:
        return Experiment(DEFAULT_ID, DEFAULT)
    if row is None:
        raise NotFound(
            f"No Experiment with id={id} exists.", field="experiment_id", hint="`keepbest project ls` lists them."
        )
    return show_experiments(conn, [row])[0]


def find_by_name(conn: Connection, name: str) -> Experiment | None:
    """Return the experiment of this name, a deleted one too."""
    given = select(ProjectTagTable.project_pk).where(ProjectTagTable.key == GIVEN, ProjectTagTable.value == name)
    renamed = select(ProjectTagTable.project_pk).where(ProjectTagTable.key == GIVEN)
    own_name = (ProjectTable.name == name) & ProjectTable.pk.not_in(renamed)
    for is_meant in (ProjectTable.pk.in_(given), own_name):
        row = conn.execute(select_experiments().where(is_meant).limit(1)).one_or_none()
        if row is not None:
            return show_experiments(conn, [row])[0]
    return Experiment(DEFAULT_ID, DEFAULT) if name == DEFAULT else None


def create_experiment(conn: Connection, name: str, tags: Mapping[str, str], *, user: str, now: datetime) -> Experiment:
    """Make an experiment; raises Conflict where the name is taken, InvalidInput where nothing of it can be a name."""
    own = _make_project(conn, name, user, now)
    pk = projects.get_pk(conn, own)
    set_tags(conn, pk, tags)
    if own != name:
        keyed_tags.set_project_tags(conn, pk, {GIVEN: name})
    return get_experiment(conn, str(pk))


def ensure_experiment(conn: Connection, id: str, *, user: str, now: datetime) -> Row[Any]:
    """Return the project of an experiment that is not deleted, locked; that of `Default` is made if it is missing."""
    experiment = get_experiment(conn, id)
    if experiment.is_deleted:
        message = f"The experiment {id} must be in the 'active' state. Current state is deleted."
        raise Conflict(message, field="experiment_id", hint="Restore it: mlflow experiments restore.")
    return projects.ensure_project(conn, experiment.project or DEFAULT, user=user, now=now)


def set_tags(conn: Connection, project_pk: int, tags: Mapping[str, str]) -> None:
    """Set tags of an experiment; its description is the project's. Raises InvalidInput for one that is too long."""
    if keyed_tags.NOTES in tags:
        _describe(conn, project_pk, tags[keyed_tags.NOTES])
    others = {key: value for key, value in tags.items() if key not in (keyed_tags.NOTES, GIVEN)}
    keyed_tags.set_project_tags(conn, project_pk, others)


def delete_tag(conn: Connection, project_pk: int, key: str) -> None:
    """Take a tag from an experiment; raises NotFound where there is none, InvalidInput for the one that is its name."""
    if key == GIVEN:
        hint = "Give the experiment another name: mlflow experiments rename."
        raise InvalidInput(f"The tag {GIVEN} holds the experiment's name.", field="key", hint=hint)
    if key == keyed_tags.NOTES and _describe(conn, project_pk, ""):
        return
    keyed_tags.delete_project_tag(conn, project_pk, key)


def rename_experiment(conn: Connection, id: str, name: str, *, user: str, now: datetime) -> None:
    """Give an experiment, and its project, another name; raises Conflict where it is taken."""
    row = ensure_experiment(conn, id, user=user, now=now)
    known = find_by_name(conn, name)
    if known is not None and known.pk != row.pk:
        raise _taken(name, "new_name")
    projects.refuse_while_swept(conn, row.pk, row.name)
    if row.next_number > MAX_RENAMED:
        raise InvalidInput(f"A project of more than {MAX_RENAMED:,} runs keeps its name.", field="new_name")
    own = row.name if to_name(name) == row.name else next(_free_names(conn, name))
    conn.execute(update(ProjectTable).where(ProjectTable.pk == row.pk).values(name=own))
    conn.execute(update(RunTable).where(RunTable.project_pk == row.pk).values(spec=_with_project(conn, own)))
    given = keyed_tags.read_project_tags(conn, [row.pk])[row.pk]
    if own != name:
        keyed_tags.set_project_tags(conn, row.pk, {GIVEN: name})
    elif GIVEN in given:
        keyed_tags.delete_project_tag(conn, row.pk, GIVEN)
    audit.record(conn, user, "project.rename", own, now, {"from": row.name})
    events.append_to_project(conn, "project.changed", own, {"from": row.name}, now)


def find_pks(conn: Connection, ids: Sequence[str]) -> list[int]:
    """Return the numbers of the projects of these experiments that there are."""
    numbers = [int(id) for id in ids if is_number(id) and id != DEFAULT_ID]
    is_meant: ColumnElement[bool] = ProjectTable.pk.in_(numbers)
    is_meant = is_meant | (ProjectTable.name == DEFAULT) if DEFAULT_ID in ids else is_meant
    return list(conn.execute(select(ProjectTable.pk).where(is_meant).order_by(ProjectTable.pk)).scalars())


def id_of(project_pk: int, name: str) -> str:
    """Return the id of the experiment that a project of this number and name is."""
    return DEFAULT_ID if name == DEFAULT else str(project_pk)


def select_experiments() -> Any:
    """Select what `show_experiments` takes."""
    return select(*ProjectTable.__table__.columns)


def show_experiments(conn: Connection, rows: Any) -> list[Experiment]:
    """Return rows of projects as experiments."""
    known = keyed_tags.read_project_tags(conn, [row.pk for row in rows])
    return [_show_one(row, known[row.pk]) for row in rows]


def is_number(id: str) -> bool:
    """Whether a text may be an experiment's id."""
    return id.isascii() and id.isdigit() and len(id) < 19


def _show_one(row: Row[Any], own: dict[str, str]) -> Experiment:
    name = own.pop(GIVEN, row.name)
    shown = {**own, **({keyed_tags.NOTES: row.description} if row.description else {})}
    return Experiment(
        id_of(row.pk, row.name), name, row.pk, row.name, row.created_at, row.deleted_at is not None, shown
    )


def _make_project(conn: Connection, name: str, user: str, now: datetime) -> str:
    """Make the project of an experiment, under the nearest name that is free; raises NameTaken.

    Who makes another of these names at the same moment has it first: then the experiment's name is looked for anew.
    """
    for own in _free_names(conn, name):
        if find_by_name(conn, name) is not None:
            break
        try:
            return projects.create_project(conn, ProjectRequest(name=own), user=user, now=now).name
        except Conflict:
            continue
    raise _taken(name, "name")


def _free_names(conn: Connection, name: str) -> Iterator[str]:
    """Yield the names that no project has, the nearest first."""
    own = to_name(name)
    if not own:
        raise InvalidInput(f"Invalid experiment name: {name!r}", field="name", hint="A name has a letter or a digit.")
    for number in count(1):
        tried = own if number == 1 else to_name(f"{own[:90]}-{number}")
        if conn.execute(select(literal(1)).where(ProjectTable.name == tried)).first() is None:
            yield tried


def _taken(name: str, field: str) -> NameTaken:
    return NameTaken(f"Experiment(name={name}) already exists.", field=field, hint="Choose another name.")


def _describe(conn: Connection, project_pk: int, text: str) -> bool:
    """Set a project's description; return whether it had one."""
    if len(text) > MAX_DESCRIPTION:
        message = f"A description has at most {MAX_DESCRIPTION:,} characters, but this {len(text):,}."
        raise InvalidInput(message, field="value", hint="Keep what is longer in an artifact.")
    before = conn.execute(select(ProjectTable.description).where(ProjectTable.pk == project_pk)).scalar_one()
    conn.execute(update(ProjectTable).where(ProjectTable.pk == project_pk).values(description=text))
    return bool(before)


def _with_project(conn: Connection, name: str) -> Any:
    """Return the expression of a run's spec with another project in it, in each database's own words."""
    if conn.dialect.name == "sqlite":
        return func.json_set(RunTable.spec, "$.project", name)
    return func.jsonb_set(RunTable.spec, cast(["project"], ARRAY(Text)), func.to_jsonb(cast(name, Text)))
