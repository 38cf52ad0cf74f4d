"""Versions of registered models: where the files of each are, its tags, its stage.

A version whose files this tracker has holds them: their run is not deleted while the version is there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, delete, func, insert, select, update

from keepbest.errors import Conflict, InvalidInput
from tracker.models import ModelAliasTable, ModelVersionTable, RegisteredModelTable, RunTable
from tracker.store.access import audit
from tracker.store.registry import models
from tracker.store.registry import tags as model_tags
from tracker.store.registry.models import ModelRow

#: Versions of one registered model.
MAX_VERSIONS = 10_000
#: Versions that a search looks through.
MAX_SEARCHED = 20_000
STAGES = ("None", "Staging", "Production", "Archived")
_TABLE = ModelVersionTable


@dataclass(frozen=True, kw_only=True)
class NewVersion:
    """A version before it has a number; `location` is where its files are, `holder_pk` the run that has them."""

    source: str
    location: str
    description: str | None
    tags: Mapping[str, str]
    run: str | None
    run_link: str | None
    logged_model: str | None
    holder_pk: int | None


def add_version(conn: Connection, name: str, new: NewVersion, *, user: str, now: datetime) -> ModelRow:
    """Add a version with the next number; raises Conflict where there are too many."""
    model = models.get_model(conn, name, lock=True)
    if conn.execute(select(func.count()).where(_TABLE.model_pk == model.pk)).scalar_one() >= MAX_VERSIONS:
        raise Conflict(f"Registered model '{name}' has {MAX_VERSIONS:,} versions, and takes no more.", field="name")
    values = {**vars(new), "tags": model_tags.join({}, new.tags), "model_pk": model.pk, "version": model.next_version}
    conn.execute(insert(_TABLE).values(**values, stage=STAGES[0], user=user, created_at=now, updated_at=now))
    models.change_model(conn, name, now, next_version=model.next_version + 1)
    audit.record(conn, user, "model.version", name, now, {"version": model.next_version, "source": new.source[:500]})
    return get_version(conn, name, model.next_version)


def get_version(conn: Connection, name: str, version: int, *, lock: bool = False) -> ModelRow:
    """Return a version; raises NotFound."""
    query = _select().where(RegisteredModelTable.name == name, _TABLE.version == version)
    row = conn.execute(query.with_for_update(of=_TABLE.__table__) if lock else query).one_or_none()
    if row is None:
        raise models.unknown_version(name, version)
    return row


def find_by_alias(conn: Connection, name: str, alias: str) -> ModelRow:
    """Return the version that has an alias; raises InvalidInput, as MLflow does, where none has it."""
    model = models.get_model(conn, name)
    version = models.read_aliases(conn, [model.pk]).get(model.pk, {}).get(alias)
    if version is None:
        raise InvalidInput(f"Registered model alias {alias} not found.", field="alias")
    return get_version(conn, name, version)


def list_versions(conn: Connection, name: str | None = None) -> Sequence[ModelRow]:
    """Return the versions of one registered model, or of all, the newest first."""
    query = _select() if name is None else _select().where(RegisteredModelTable.name == name)
    return conn.execute(query.order_by(_TABLE.updated_at.desc(), _TABLE.pk.desc()).limit(MAX_SEARCHED)).all()


def list_latest(conn: Connection, model_pks: Sequence[int]) -> dict[int, list[ModelRow]]:
    """Return, for each registered model, its newest version of each stage."""
    newest = select(func.max(_TABLE.pk)).where(_TABLE.model_pk.in_(model_pks)).group_by(_TABLE.model_pk, _TABLE.stage)
    latest: dict[int, list[ModelRow]] = {}
    for row in conn.execute(_select().where(_TABLE.pk.in_(newest)).order_by(_TABLE.version)):
        latest.setdefault(row.model_pk, []).append(row)
    return latest


def change_version(conn: Connection, name: str, version: int, now: datetime, **changes: Any) -> ModelRow:
    """Change a version; raises NotFound."""
    row = get_version(conn, name, version, lock=True)
    conn.execute(update(_TABLE).where(_TABLE.pk == row.pk).values(**changes, updated_at=now))
    models.change_model(conn, name, now)
    return get_version(conn, name, version)


def move_to_stage(
    conn: Connection, name: str, version: int, stage: str, *, archives: bool, user: str, now: datetime
) -> ModelRow:
    """Put a version into a stage; with `archives`, the others that are there go into the archive."""
    row = get_version(conn, name, version)
    if archives:
        others = (_TABLE.model_pk == row.model_pk, _TABLE.stage == stage, _TABLE.version != version)
        conn.execute(update(_TABLE).where(*others).values(stage="Archived", updated_at=now))
    detail = {"version": version, "from": row.stage, "to": stage}
    audit.record(conn, user, "model.stage", name, now, detail)
    return change_version(conn, name, version, now, stage=stage)


def delete_version(conn: Connection, name: str, version: int, *, user: str, now: datetime) -> None:
    """Delete a version with its aliases; its files stay with their run."""
    row = get_version(conn, name, version, lock=True)
    here = (ModelAliasTable.model_pk == row.model_pk, ModelAliasTable.version == version)
    conn.execute(delete(ModelAliasTable).where(*here))
    conn.execute(delete(_TABLE).where(_TABLE.pk == row.pk))
    models.change_model(conn, name, now)
    audit.record(conn, user, "model.version.delete", name, now, {"version": version})


def check_versions(conn: Connection, is_meant: ColumnElement[bool]) -> None:
    """Raise Conflict where a run that meets the condition has the files of a version."""
    query = _select().add_columns(RunTable.id.label("holder")).join(RunTable, _TABLE.holder_pk == RunTable.pk)
    row = conn.execute(query.where(is_meant).limit(1)).first()
    if row is not None:
        message = f"Run {row.holder} has the files of version {row.version} of the registered model '{row.name}'."
        hint = "Delete that version first: mlflow.MlflowClient().delete_model_version(name, version)."
        raise Conflict(message, field="run", hint=hint)


def _select() -> Select[Any]:
    columns = (*_TABLE.__table__.columns, RegisteredModelTable.name)
    return select(*columns).join(RegisteredModelTable, _TABLE.model_pk == RegisteredModelTable.pk)
