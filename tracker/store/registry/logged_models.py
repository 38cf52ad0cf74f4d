"""Logged models: what a script calls a model, with the files that it wrote for it.

The files are artifacts of the run that logged the model, in a folder of their own; a model without a run gets one. So
they are counted, limited, deleted and brought back with that run.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, func, insert, select, update

from keepbest.errors import Conflict, InvalidInput, NotFound
from keepbest.status import RunState
from tracker import db
from tracker.models import (
    LoggedModelTable,
    ModelVersionTable,
    ProjectTable,
    RegisteredModelTable,
    RunModelTable,
    RunTable,
)
from tracker.store import artifact_folders, artifacts, runs
from tracker.store.access import audit
from tracker.store.registry import tags as model_tags
from tracker.store.registry.models import ModelRow
from tracker.store.reported import runs as reported
from tracker.store.runs import RunRow
from tracker.store.search.visibility import visible

#: The folder of a run's artifacts that holds its models', each in a folder with the model's id.
FOLDER = "mlflow-models"
PENDING, UNSPECIFIED = "LOGGED_MODEL_PENDING", "LOGGED_MODEL_STATUS_UNSPECIFIED"
STATUSES = (UNSPECIFIED, PENDING, "LOGGED_MODEL_READY", "LOGGED_MODEL_UPLOAD_FAILED")
#: Logged models of one run.
MAX_MODELS = 1000


def create_model(
    conn: Connection,
    project: Any,
    name: str,
    *,
    run: RunRow | None,
    model_type: str,
    parameters: Mapping[str, str],
    tags: Mapping[str, str],
    user: str,
    now: datetime,
) -> ModelRow:
    """Make a model whose files are still to come; without a run it gets one of its own, which has ended.

    Raises InvalidInput where the run has too many models.
    """
    holder = run if run is not None else _make_run(conn, project, name, user, now)
    count = conn.execute(select(func.count()).where(LoggedModelTable.run_pk == holder.pk)).scalar_one()
    if count >= MAX_MODELS:
        raise InvalidInput(f"A run has at most {MAX_MODELS:,} models.", field="source_run_id")
    values = {
        "id": f"m-{secrets.token_hex(16)}",
        "project_pk": holder.project_pk,
        "run_pk": holder.pk,
        "is_of_run": run is not None,
        "name": name,
        "model_type": model_type,
        "status": PENDING,
        "parameters": model_tags.join({}, parameters, "params"),
        "tags": model_tags.join({}, tags),
        "created_at": now,
        "updated_at": now,
    }
    conn.execute(insert(LoggedModelTable).values(**values))
    return get_model(conn, str(values["id"]))


def get_model(conn: Connection, id: str, *, deleted: bool = False, lock: bool = False) -> ModelRow:
    """Return a model; raises NotFound. One that was deleted is there only where `deleted` asks for it.

    The models of a deleted run come back with the run.
    """
    query = _select().where(LoggedModelTable.id == id, visible(None))
    row = conn.execute(query.with_for_update(of=LoggedModelTable.__table__) if lock else query).one_or_none()
    if row is None or (row.deleted_at is not None and not deleted):
        raise NotFound(f"Logged model with ID '{id}' not found.", field="model_id")
    return row


def find_holder(conn: Connection, id: str) -> RunRow:
    """Return the run that has the files of a model."""
    return reported.find_run(conn, get_model(conn, id).run)


def folder_of(id: str) -> str:
    """Return where the files of a model are among its run's artifacts."""
    return f"{FOLDER}/{id}"


def list_models(conn: Connection, project_pks: Sequence[int], *, limit: int) -> Sequence[ModelRow]:
    """Return so many models of projects, the newest first."""
    wanted = (LoggedModelTable.project_pk.in_(project_pks), LoggedModelTable.deleted_at.is_(None), visible(None))
    return conn.execute(_select().where(*wanted).order_by(LoggedModelTable.pk.desc()).limit(limit)).all()


def finish_model(conn: Connection, id: str, status: str, now: datetime) -> ModelRow:
    """Say how the upload of a model ended."""
    return _change(conn, get_model(conn, id, lock=True), now, status=status)


def set_tags(conn: Connection, id: str, tags: Mapping[str, str], now: datetime) -> ModelRow:
    """Set tags of a model."""
    row = get_model(conn, id, lock=True)
    return _change(conn, row, now, tags=model_tags.join(row.tags, tags))


def delete_tag(conn: Connection, id: str, key: str, now: datetime) -> None:
    """Take a tag from a model; raises NotFound where there is none."""
    row = get_model(conn, id, lock=True)
    model_tags.need(row.tags, key, f"logged model with ID {id}")
    _change(conn, row, now, tags=model_tags.without(row.tags, key))


def add_parameters(conn: Connection, id: str, parameters: Mapping[str, str], now: datetime) -> None:
    """Add parameters to a model; raises InvalidInput for one that has another value already."""
    row = get_model(conn, id, lock=True)
    for key, value in parameters.items():
        if row.parameters.get(key, value) != value:
            message = f"Changing param values is not allowed. Param with key='{key}' was already logged with"
            raise InvalidInput(f"{message} value='{row.parameters[key]}' for model ID='{id}'.", field="params")
    _change(conn, row, now, parameters=model_tags.join(row.parameters, parameters, "params"))


def delete_model(conn: Connection, id: str, *, user: str, now: datetime) -> None:
    """Delete a model with its files; raises Conflict while a version of a registered model is it."""
    row = get_model(conn, id, lock=True)
    named = select(RegisteredModelTable.name, ModelVersionTable.version).join(
        RegisteredModelTable, ModelVersionTable.model_pk == RegisteredModelTable.pk
    )
    version = conn.execute(named.where(ModelVersionTable.logged_model == id).limit(1)).first()
    if version is not None:
        hint = "Delete that version first: mlflow.MlflowClient().delete_model_version."
        message = f"Logged model {id} is version {version.version} of the registered model '{version.name}'."
        raise Conflict(message, field="model_id", hint=hint)
    holder = runs.get_by_pk(conn, row.run_pk)
    for path in artifact_folders.list_below(conn, holder, folder_of(id)):
        artifacts.delete_artifact(conn, holder, path, user=user, now=now)
    _change(conn, row, now, deleted_at=now)
    audit.record(conn, user, "model.delete", id, now, {"name": row.name, "run": holder.id})


def add_outputs(conn: Connection, run: RunRow, steps: Mapping[str, int]) -> None:
    """Note which models a run made, by their ids, each at a step."""
    for id, step in steps.items():
        statement = db.insert(conn, RunModelTable).values(run_pk=run.pk, model_pk=get_model(conn, id).pk, step=step)
        statement = statement.on_conflict_do_update(index_elements=["run_pk", "model_pk"], set_={"step": step})
        conn.execute(statement)


def read_outputs(conn: Connection, run_pks: Sequence[int]) -> dict[int, list[tuple[str, int]]]:
    """Return the models that runs made, each with its step, by the run's internal number."""
    query = select(RunModelTable.run_pk, LoggedModelTable.id, RunModelTable.step)
    query = query.join(LoggedModelTable, RunModelTable.model_pk == LoggedModelTable.pk)
    made: dict[int, list[tuple[str, int]]] = {}
    for run_pk, id, step in conn.execute(query.where(RunModelTable.run_pk.in_(run_pks)).order_by(LoggedModelTable.pk)):
        made.setdefault(run_pk, []).append((id, step))
    return made


def _make_run(conn: Connection, project: Any, name: str, user: str, now: datetime) -> RunRow:
    """Make a run that holds the files of a model and has ended."""
    run = reported.create_run(conn, project, name, started_at=now, user=user, now=now)
    return reported.set_state(conn, run, RunState.FINISHED, ended_at=now, user=user, now=now)


def _change(conn: Connection, row: ModelRow, now: datetime, **changes: Any) -> ModelRow:
    conn.execute(update(LoggedModelTable).where(LoggedModelTable.pk == row.pk).values(**changes, updated_at=now))
    return get_model(conn, row.id, deleted=True)


def _select(*more: ColumnElement[Any]) -> Select[Any]:
    columns = (
        *LoggedModelTable.__table__.columns,
        RunTable.id.label("run"),
        ProjectTable.name.label("project"),
        *more,
    )
    query = select(*columns).join(RunTable, LoggedModelTable.run_pk == RunTable.pk)
    return query.join(ProjectTable, LoggedModelTable.project_pk == ProjectTable.pk)
