"""Registered models: names of the registry, with tags, a description and aliases of their versions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, delete, func, select, update

from keepbest.errors import Conflict, InvalidInput, NotFound
from tracker import db
from tracker.models import ModelAliasTable, ModelVersionTable, RegisteredModelTable
from tracker.store.access import audit
from tracker.store.registry import tags as model_tags
from tracker.store.reported.experiments import NameTaken

#: Registered models of one tracker, and aliases of one of them.
MAX_MODELS, MAX_ALIASES = 10_000, 200
_TABLE = RegisteredModelTable

ModelRow = Row[Any]


def create_model(
    conn: Connection, name: str, tags: Mapping[str, str], description: str | None, *, user: str, now: datetime
) -> ModelRow:
    """Make a registered model; raises Conflict where the name is taken or there are too many."""
    if conn.execute(select(func.count()).select_from(_TABLE)).scalar_one() >= MAX_MODELS:
        raise Conflict(f"The registry has {MAX_MODELS:,} models, and takes no more.", field="name")
    values = {"name": name, "description": description, "tags": model_tags.join({}, tags), "next_version": 1}
    making = db.insert(conn, _TABLE).values(**values, created_at=now, updated_at=now)
    made = making.on_conflict_do_nothing(index_elements=["name"]).returning(_TABLE.pk)
    if conn.execute(made).scalar() is None:
        raise NameTaken(f"Registered Model (name={name}) already exists.", field="name", hint="Choose another name.")
    audit.record(conn, user, "model.register", name, now, {})
    return get_model(conn, name)


def get_model(conn: Connection, name: str, *, lock: bool = False) -> ModelRow:
    """Return the registered model of a name; raises NotFound."""
    query = select(*_TABLE.__table__.columns).where(_TABLE.name == name)
    row = conn.execute(query.with_for_update() if lock else query).one_or_none()
    if row is None:
        raise NotFound(f"Registered Model with name={name} not found.", field="name")
    return row


def list_models(conn: Connection) -> Sequence[ModelRow]:
    """Return all registered models by name."""
    return conn.execute(select(*_TABLE.__table__.columns).order_by(_TABLE.name)).all()


def change_model(conn: Connection, known: str, now: datetime, **changes: Any) -> ModelRow:
    """Change a registered model of a known name; raises NotFound, or Conflict where another has the new name."""
    row, new = get_model(conn, known, lock=True), changes.get("name", known)
    if new != known and conn.execute(select(_TABLE.pk).where(_TABLE.name == new)).first() is not None:
        raise NameTaken(f"Registered Model (name={new}) already exists.", field="new_name")
    conn.execute(update(_TABLE).where(_TABLE.pk == row.pk).values(**changes, updated_at=now))
    return get_model(conn, new)


def delete_model(conn: Connection, name: str, *, user: str, now: datetime) -> None:
    """Delete a registered model with its versions; their files stay with their runs."""
    row = get_model(conn, name, lock=True)
    for table in (ModelAliasTable, ModelVersionTable):
        conn.execute(delete(table).where(table.model_pk == row.pk))
    conn.execute(delete(_TABLE).where(_TABLE.pk == row.pk))
    audit.record(conn, user, "model.unregister", name, now, {})


def set_alias(conn: Connection, name: str, alias: str, version: int, *, user: str, now: datetime) -> None:
    """Give an alias to a version, whatever had it before; raises NotFound where there is no such version."""
    row = get_model(conn, name, lock=True)
    there = (ModelVersionTable.model_pk == row.pk, ModelVersionTable.version == version)
    if conn.execute(select(ModelVersionTable.pk).where(*there)).first() is None:
        raise unknown_version(name, version)
    known = read_aliases(conn, [row.pk]).get(row.pk, {})
    if alias not in known and len(known) >= MAX_ALIASES:
        raise InvalidInput(f"A registered model has at most {MAX_ALIASES} aliases.", field="alias")
    setting = db.insert(conn, ModelAliasTable).values(model_pk=row.pk, alias=alias, version=version)
    conn.execute(setting.on_conflict_do_update(index_elements=["model_pk", "alias"], set_={"version": version}))
    if known.get(alias) != version:
        detail = {"alias": alias, "from": known.get(alias), "to": version}
        audit.record(conn, user, "model.alias", name, now, detail)


def delete_alias(conn: Connection, name: str, alias: str, *, user: str, now: datetime) -> None:
    """Take an alias from a registered model; one that is not there makes no difference."""
    row = get_model(conn, name, lock=True)
    known = read_aliases(conn, [row.pk]).get(row.pk, {})
    conn.execute(delete(ModelAliasTable).where(ModelAliasTable.model_pk == row.pk, ModelAliasTable.alias == alias))
    if alias in known:
        audit.record(conn, user, "model.alias", name, now, {"alias": alias, "from": known[alias], "to": None})


def read_aliases(conn: Connection, pks: Sequence[int]) -> dict[int, dict[str, int]]:
    """Return the aliases of registered models and the version of each, by the model's internal number."""
    query = select(*ModelAliasTable.__table__.columns).where(ModelAliasTable.model_pk.in_(pks))
    known: dict[int, dict[str, int]] = {}
    for row in conn.execute(query.order_by(ModelAliasTable.alias)):
        known.setdefault(row.model_pk, {})[row.alias] = row.version
    return known


def unknown_version(name: str, version: int) -> NotFound:
    """Return the error for a version that is not there."""
    return NotFound(f"Model Version (name={name}, version={version}) not found.", field="version")
