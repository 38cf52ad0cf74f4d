"""Registered models: names of the registry, their tags and aliases."""

from __future__ import annotations

import re
from posixpath import normpath

from keepbest.errors import InvalidInput
from keepbest.query import mlflow_models
from keepbest.query.mlflow_grammar import MAX_FILTER
from tracker.api.access import principal
from tracker.api.envelope import now
from tracker.db import Connection
from tracker.mlflow.experiments import read_tags
from tracker.mlflow.fields import Fields
from tracker.mlflow.model_pages import read_page
from tracker.mlflow.model_shapes import show_registered, show_versions, values_of
from tracker.mlflow.routes import mlflow_route
from tracker.mlflow.shapes import Document, milliseconds
from tracker.store.registry import models, versions
from tracker.store.registry import tags as model_tags
from tracker.store.registry.models import ModelRow

MAX_DESCRIPTION, MAX_TAG, MAX_ALIAS = 20_000, 100_000, 255
MAX_PAGE, USUAL_PAGE = 1000, 100
_ALIAS = re.compile(r"[\w-]+", re.ASCII)
_VERSION_ALIAS = re.compile(r"v\d+", re.IGNORECASE | re.ASCII)
_ORDERS = ("name", "creation_timestamp", "last_updated_timestamp", "timestamp")


@mlflow_route("POST", "/registered-models/create")
def create_registered_model(conn: Connection, fields: Fields) -> Document:
    """Make a registered model, which has no version yet."""
    tags, description = read_tags(fields, most=MAX_TAG), fields.optional("description", most=MAX_DESCRIPTION)
    row = models.create_model(conn, read_name(fields), tags, description, user=principal().user, now=now())
    return _show(conn, row)


@mlflow_route("GET", "/registered-models/get")
def get_registered_model(conn: Connection, fields: Fields) -> Document:
    """Show a registered model with its aliases and the newest version of each stage."""
    return _show(conn, models.get_model(conn, fields.text("name")))


@mlflow_route("POST", "/registered-models/rename")
def rename_registered_model(conn: Connection, fields: Fields) -> Document:
    """Give a registered model another name."""
    return _show(conn, models.change_model(conn, fields.text("name"), now(), name=read_name(fields, "new_name")))


@mlflow_route("PATCH", "/registered-models/update")
def update_registered_model(conn: Connection, fields: Fields) -> Document:
    """Describe a registered model."""
    description = fields.optional("description", most=MAX_DESCRIPTION)
    return _show(conn, models.change_model(conn, fields.text("name"), now(), description=description))


@mlflow_route("DELETE", "/registered-models/delete")
def delete_registered_model(conn: Connection, fields: Fields) -> Document:
    """Delete a registered model with its versions; their files stay with their runs."""
    models.delete_model(conn, fields.text("name"), user=principal().user, now=now())
    return {}


@mlflow_route("GET", "/registered-models/search", lists=("order_by",))
def search_registered_models(conn: Connection, fields: Fields) -> Document:
    """Find registered models, by name unless the request says otherwise."""
    term = mlflow_models.parse(fields.optional("filter", most=MAX_FILTER) or "", mlflow_models.REGISTERED)
    orders = [mlflow_models.parse_order(text, _ORDERS) for text in fields.texts("order_by", most=10)]
    pairs = [
        (values, row)
        for row in models.list_models(conn)
        if mlflow_models.fits(term, _values(values := _attributes(row), row))
    ]
    page, token = read_page(pairs, orders, fields, "registered-models", usual=USUAL_PAGE, most=MAX_PAGE)
    shown: Document = {"registered_models": show_registered(conn, page)}
    return {**shown, "next_page_token": token} if token else shown


@mlflow_route("GET", "/registered-models/get-latest-versions", lists=("stages",))
def get_latest_versions(conn: Connection, fields: Fields) -> Document:
    """Show the newest version of each stage."""
    return _show_latest(conn, fields)


@mlflow_route("POST", "/registered-models/get-latest-versions", reads=True)
def read_latest_versions(conn: Connection, fields: Fields) -> Document:
    """Show the newest version of each stage."""
    return _show_latest(conn, fields)


@mlflow_route("POST", "/registered-models/set-tag")
def set_registered_model_tag(conn: Connection, fields: Fields) -> Document:
    """Set a tag of a registered model."""
    row = models.get_model(conn, fields.text("name"), lock=True)
    tag = {fields.key(): fields.optional("value", most=MAX_TAG) or ""}
    models.change_model(conn, row.name, now(), tags=model_tags.join(row.tags, tag))
    return {}


@mlflow_route("DELETE", "/registered-models/delete-tag")
def delete_registered_model_tag(conn: Connection, fields: Fields) -> Document:
    """Take a tag from a registered model."""
    row = models.get_model(conn, fields.text("name"), lock=True)
    models.change_model(conn, row.name, now(), tags=model_tags.without(row.tags, fields.key()))
    return {}


@mlflow_route("POST", "/registered-models/alias")
def set_registered_model_alias(conn: Connection, fields: Fields) -> Document:
    """Give an alias to a version, whatever had it before."""
    alias, version = _read_alias(fields), read_version(fields)
    models.set_alias(conn, fields.text("name"), alias, version, user=principal().user, now=now())
    return {}


@mlflow_route("DELETE", "/registered-models/alias")
def delete_registered_model_alias(conn: Connection, fields: Fields) -> Document:
    """Take an alias from a registered model."""
    models.delete_alias(conn, fields.text("name"), fields.text("alias"), user=principal().user, now=now())
    return {}


@mlflow_route("GET", "/registered-models/alias")
def get_model_version_by_alias(conn: Connection, fields: Fields) -> Document:
    """Show the version that has an alias."""
    row = versions.find_by_alias(conn, fields.text("name"), fields.text("alias"))
    return {"model_version": show_versions(conn, [row])[0]}


def read_name(fields: Fields, name: str = "name") -> str:
    """Return the name of a new registered model; raises InvalidInput for one that no address can hold."""
    value = fields.key(name)
    if not value.strip():
        fields.refuse(name, value, "A name has a letter or a digit.")
    if "/" in value or ":" in value:
        raise InvalidInput(f"Invalid model name '{value}'. Names cannot contain '/' or ':'.", field=name)
    if normpath(value) != value or value == "..":
        fields.refuse(name, value, "It is no name but a path.")
    return value


def read_version(fields: Fields) -> int:
    """Return the number of a version, which requests send as a text."""
    text = fields.text("version")
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise InvalidInput(f"Parameter 'version' must be an integer, got '{text[:50]}'.", field="version")
    return int(text)


def _read_alias(fields: Fields) -> str:
    alias = fields.text("alias", most=MAX_ALIAS)
    if not _ALIAS.fullmatch(alias):
        message = f"Invalid alias name: '{alias}'. Names may only contain alphanumerics, underscores and dashes."
        raise InvalidInput(message, field="alias")
    if alias.lower() == "latest":
        raise InvalidInput(f"The alias name '{alias}' is reserved.", field="alias")
    if _VERSION_ALIAS.fullmatch(alias):
        raise InvalidInput(f"Version alias name '{alias}' is reserved.", field="alias")
    return alias


def _show(conn: Connection, row: ModelRow) -> Document:
    return {"registered_model": show_registered(conn, [row])[0]}


def _show_latest(conn: Connection, fields: Fields) -> Document:
    row = models.get_model(conn, fields.text("name"))
    stages = {stage.lower() for stage in fields.texts("stages", most=10)}
    if unknown := stages - {stage.lower() for stage in versions.STAGES}:
        raise InvalidInput(f"Invalid Model Version stage: {min(unknown)[:50]}.", field="stages")
    latest = versions.list_latest(conn, [row.pk]).get(row.pk, [])
    wanted = [version for version in latest if not stages or version.stage.lower() in stages]
    return {"model_versions": show_versions(conn, wanted)}


def _attributes(row: ModelRow) -> Document:
    updated = milliseconds(row.updated_at)
    times = {
        "creation_timestamp": milliseconds(row.created_at),
        "last_updated_timestamp": updated,
        "timestamp": updated,
    }
    return {"name": row.name, **times}


def _values(values: Document, row: ModelRow) -> mlflow_models.ValueOf:
    return lambda field: values_of(values, row.tags, {}, field)
