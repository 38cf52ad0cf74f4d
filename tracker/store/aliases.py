"""Aliases: names of a project, each of one checkpoint or one version of an artifact, with the history of each name.

What has an alias stays: no retention takes it, and its run is not deleted. A run with one stays in its project.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, Row, Select, delete, func, insert, select, update

from keepbest.contract import aliases as contract
from keepbest.contract.checkpoints import CheckpointState
from keepbest.errors import Busy, Conflict, InvalidInput, NotFound
from keepbest.hints import nearest
from tracker.models import AliasMoveTable, AliasTable, ArtifactTable, CheckpointTable, ProjectTable, RunTable
from tracker.store import cursors, events, projects
from tracker.store.access import audit
from tracker.store.search.visibility import visible

#: Aliases of one project.
MAX_ALIASES = 200
_DURABLE = CheckpointState.DURABLE.value
#: Whether a row of checkpoints, or of artifacts, has an alias.
CHECKPOINT_IS_NAMED: ColumnElement[bool] = (
    select(AliasTable.pk).where(AliasTable.checkpoint_pk == CheckpointTable.pk).correlate(CheckpointTable).exists()
)
ARTIFACT_IS_NAMED: ColumnElement[bool] = (
    select(AliasTable.pk).where(AliasTable.artifact_pk == ArtifactTable.pk).correlate(ArtifactTable).exists()
)


def list_aliases(conn: Connection, project: str) -> contract.AliasList:
    """Return a project's aliases by name; raises NotFound where there is no such project."""
    pk = projects.get_pk(conn, project)
    return contract.AliasList(aliases=[_show(row) for row in _read(conn, AliasTable.project_pk == pk)])


def find_alias(conn: Connection, project: str, name: str) -> contract.Alias:
    """Return a project's alias; raises NotFound with the nearest one."""
    known = list_aliases(conn, project).aliases
    for alias in known:
        if alias.name == name:
            return alias
    names = [alias.name for alias in known]
    hint = nearest(name, names) or f"`keepbest alias ls {project}` lists its aliases."
    raise NotFound(f"Project {project} has no alias {name!r}.", field="alias", hint=hint)


def set_alias(
    conn: Connection, project: str, request: contract.AliasRequest, *, user: str, now: datetime
) -> contract.Alias:
    """Give an alias to a checkpoint or an artifact, whatever had it before; the same again changes nothing.

    Raises NotFound where there is no such target, Conflict where it lies in another project or there are too many
    aliases, Busy where the checkpoint has just been dropped.
    """
    pk = projects.get_pk(conn, project, lock=True)
    target = _find_checkpoint(conn, request.checkpoint) if request.checkpoint else _find_artifact(conn, request)
    if target.project_pk != pk:
        hint = f"Give it an alias there, or move the run: `keepbest mv {target.run} {project}`."
        raise Conflict(f"Run {target.run} does not lie in project {project}.", field="project", hint=hint)
    before = next(iter(_read(conn, _is(pk, request.name))), None)
    place = {"run_pk": target.run_pk, "checkpoint_pk": target.checkpoint_pk, "artifact_pk": target.artifact_pk}
    if before is not None and (before.checkpoint_pk, before.artifact_pk) == (target.checkpoint_pk, target.artifact_pk):
        return _show(before)
    if before is None:
        _check_count(conn, pk, project)
        conn.execute(insert(AliasTable).values(project_pk=pk, name=request.name, user=user, at=now, **place))
    else:
        conn.execute(update(AliasTable).where(_is(pk, request.name)).values(user=user, at=now, **place))
    (after,) = _read(conn, _is(pk, request.name))
    _note(conn, project, request.name, before, after, user, now)
    return _show(after)


def remove_alias(conn: Connection, project: str, name: str, *, user: str, now: datetime) -> contract.AliasTarget:
    """Take an alias from what has it, and return that; raises NotFound where there is no such alias."""
    pk = projects.get_pk(conn, project, lock=True)
    find_alias(conn, project, name)
    (before,) = _read(conn, _is(pk, name))
    conn.execute(delete(AliasTable).where(_is(pk, name)))
    _note(conn, project, name, before, None, user, now)
    return _target(before)


def list_moves(
    conn: Connection, project: str, *, name: str | None = None, cursor: str | None, limit: int
) -> contract.AliasMovePage:
    """Return a page of the history of a project's aliases, or of one of them, the newest move first."""
    pk = projects.get_pk(conn, project)
    query = select(*AliasMoveTable.__table__.columns).where(AliasMoveTable.project_pk == pk)
    if name is not None:
        query = query.where(AliasMoveTable.name == name)
    if cursor is not None:
        (last,) = cursors.read(cursor, "alias-moves", int)
        query = query.where(AliasMoveTable.pk < last)
    rows = conn.execute(query.order_by(AliasMoveTable.pk.desc()).limit(limit + 1)).all()
    more = cursors.write("alias-moves", [rows[limit - 1].pk]) if len(rows) > limit else None
    shown = [contract.AliasMove.model_validate(row._asdict()) for row in rows[:limit]]
    return contract.AliasMovePage(moves=shown, cursor=more)


def read_names(conn: Connection, run_pk: int) -> dict[int, list[str]]:
    """Return the aliases of a run's checkpoints, by the checkpoint's internal number."""
    column = AliasTable.checkpoint_pk
    return _names(conn, column, (AliasTable.run_pk == run_pk) & column.is_not(None))


def read_artifact_names(conn: Connection, pks: Sequence[int]) -> dict[int, list[str]]:
    """Return the aliases of these artifacts, by internal number."""
    return _names(conn, AliasTable.artifact_pk, AliasTable.artifact_pk.in_(pks)) if pks else {}


def check_aliases(conn: Connection, is_meant: ColumnElement[bool], what: str = "is not deleted") -> None:
    """Raise Conflict where something of a run that meets the condition has an alias."""
    query = _select().where(is_meant).order_by(AliasTable.pk).limit(1)
    row = conn.execute(query).first()
    if row is not None:
        refuse(row.name, row.project, f"Run {row.run}", what)


def refuse(name: str, project: str, subject: str, what: str) -> None:
    """Raise Conflict: an alias holds the subject."""
    hint = f"Give the alias to another, or remove it: `keepbest alias rm {project} {name}`."
    raise Conflict(f"{subject} {what}: it has the alias {name} of project {project}.", field="alias", hint=hint)


def _names(conn: Connection, column: Any, wanted: ColumnElement[bool]) -> dict[int, list[str]]:
    names: dict[int, list[str]] = {}
    for pk, name in conn.execute(select(column, AliasTable.name).where(wanted).order_by(AliasTable.name)):
        names.setdefault(pk, []).append(name)
    return names


def _check_count(conn: Connection, pk: int, project: str) -> None:
    count = conn.execute(select(func.count()).where(AliasTable.project_pk == pk)).scalar_one()
    if count >= MAX_ALIASES:
        raise Conflict(f"Project {project} has {MAX_ALIASES} aliases, and no project has more.", field="name")


# Targets


class _Found(NamedTuple):
    """A target by internal numbers."""

    project_pk: int
    run_pk: int
    run: str
    checkpoint_pk: int | None = None
    artifact_pk: int | None = None


def _find_checkpoint(conn: Connection, id: str) -> _Found:
    """Return a durable checkpoint, whose run is locked."""
    query = _of_run(CheckpointTable.pk, CheckpointTable.state)
    query = query.join(CheckpointTable, CheckpointTable.run_pk == RunTable.pk).where(CheckpointTable.id == id)
    row = conn.execute(query).one_or_none()
    if row is None:
        raise NotFound(f"There is no checkpoint {id!r}.", field="checkpoint", hint="`keepbest checkpoints RUN` lists.")
    if row.state != _DURABLE:
        raise Busy(f"Checkpoint {id} has just been dropped.", hint="Try again, or choose another checkpoint.")
    return _Found(row.project_pk, row.run_pk, row.run, checkpoint_pk=row.pk)


def _find_artifact(conn: Connection, request: contract.AliasRequest) -> _Found:
    """Return a durable version of an artifact, whose run is locked."""
    if request.run is None or request.path is None:
        raise InvalidInput("An alias is of a checkpoint, or of a path of a run.", field="checkpoint")
    which = ArtifactTable.is_current if request.version is None else ArtifactTable.version == request.version
    here = (RunTable.id == request.run, ArtifactTable.path == request.path, ArtifactTable.state == _DURABLE)
    query = _of_run(ArtifactTable.pk).join(ArtifactTable, ArtifactTable.run_pk == RunTable.pk)
    row = conn.execute(query.where(*here, which)).one_or_none()
    if row is None:
        hint = f"`keepbest artifacts ls {request.run} --versions` lists them."
        raise NotFound(f"Run {request.run} has no such artifact {request.path!r}.", field="path", hint=hint)
    return _Found(row.project_pk, row.run_pk, row.run, artifact_pk=row.pk)


def _of_run(*columns: Any) -> Select[Any]:
    about = (RunTable.pk.label("run_pk"), RunTable.id.label("run"), RunTable.project_pk)
    query = select(*about, *columns).select_from(RunTable).where(visible(None))
    return query.with_for_update(of=RunTable.__table__)


# Rows


def _is(project_pk: int, name: str) -> ColumnElement[bool]:
    return (AliasTable.project_pk == project_pk) & (AliasTable.name == name)


def _select() -> Select[Any]:
    columns = (
        *AliasTable.__table__.columns,
        ProjectTable.name.label("project"),
        RunTable.id.label("run"),
        RunTable.number.label("run_number"),
        RunTable.name.label("run_name"),
        CheckpointTable.id.label("checkpoint"),
        CheckpointTable.step,
        CheckpointTable.value,
        ArtifactTable.id.label("artifact"),
        ArtifactTable.path,
        ArtifactTable.version,
    )
    return (
        select(*columns)
        .join(ProjectTable, AliasTable.project_pk == ProjectTable.pk)
        .join(RunTable, AliasTable.run_pk == RunTable.pk)
        .outerjoin(CheckpointTable, AliasTable.checkpoint_pk == CheckpointTable.pk)
        .outerjoin(ArtifactTable, AliasTable.artifact_pk == ArtifactTable.pk)
    )


def _read(conn: Connection, wanted: ColumnElement[bool]) -> Sequence[Row[Any]]:
    return conn.execute(_select().where(wanted).order_by(AliasTable.name)).all()


def _target(row: Row[Any]) -> contract.AliasTarget:
    return contract.AliasTarget.model_validate(row._asdict())


def _show(row: Row[Any]) -> contract.Alias:
    return contract.Alias.model_validate({**row._asdict(), "target": _target(row)})


def _note(
    conn: Connection, project: str, name: str, before: Row[Any] | None, after: Row[Any] | None, user: str, now: datetime
) -> None:
    """Write the move into the history and the audit log, and tell the pages."""
    targets = [None if row is None else _target(row).model_dump(mode="json") for row in (before, after)]
    values = {"project_pk": projects.get_pk(conn, project), "name": name, "user": user, "at": now}
    conn.execute(insert(AliasMoveTable).values(before=targets[0], after=targets[1], **values))
    detail = {"name": name, "from": targets[0], "to": targets[1]}
    audit.record(conn, user, "alias.set" if after is not None else "alias.remove", project, now, detail)
    events.append_to_project(conn, "project.aliases", project, detail, now)
