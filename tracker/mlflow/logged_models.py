"""Logged models: made, finished, tagged, found, deleted; their files come by the routes of artifacts."""

from __future__ import annotations

import json
from typing import Any

from keepbest.errors import InvalidInput
from keepbest.query import mlflow_models
from keepbest.query.mlflow_grammar import MAX_FILTER, Order
from tracker.api.access import principal
from tracker.api.envelope import now
from tracker.db import Connection
from tracker.mlflow.experiments import read_tags
from tracker.mlflow.fields import MAX_PARAM, MAX_TAG, Fields, read_run_id
from tracker.mlflow.model_pages import read_page
from tracker.mlflow.model_shapes import show_logged, uri_of_model, values_of
from tracker.mlflow.places import read_path
from tracker.mlflow.routes import mlflow_route
from tracker.mlflow.shapes import Document, milliseconds, show_files
from tracker.store import artifact_folders
from tracker.store.registry import logged_models
from tracker.store.registry.models import ModelRow
from tracker.store.reported import experiments, keyed_tags
from tracker.store.reported import runs as reported

MAX_NAME = 500
#: Models that a search looks through, and those of one answer.
MAX_SEARCHED, MAX_PAGE, USUAL_PAGE = 20_000, 1000, 100
#: The tag in which older clients say which models a run has, and its length at most.
HISTORY, MAX_HISTORY = "mlflow.log-model.history", 1_000_000
_ORDERS = ("name", "model_id", "model_type", "status", "creation_timestamp", "last_updated_timestamp")


@mlflow_route("POST", "/logged-models")
def create_logged_model(conn: Connection, fields: Fields) -> Document:
    """Make a logged model; its files are those of the run, and without a run it gets one of its own."""
    name = fields.optional("name", most=MAX_NAME) or "model"
    project = experiments.ensure_experiment(conn, fields.text("experiment_id"), user=principal().user, now=now())
    source = fields.optional("source_run_id", most=256)
    run = reported.find_run(conn, source, view="active", lock=True) if source else None
    row = logged_models.create_model(
        conn,
        project,
        name,
        run=run,
        model_type=fields.optional("model_type", most=MAX_NAME) or "",
        parameters=_read_parameters(fields),
        tags=read_tags(fields, most=MAX_TAG),
        user=principal().user,
        now=now(),
    )
    return {"model": show_logged(row)}


@mlflow_route("GET", "/logged-models/<model_id>")
def get_logged_model(conn: Connection, fields: Fields, model_id: str) -> Document:
    """Show a logged model; `allow_deleted` shows a deleted one too."""
    deleted = str(fields.given.get("allow_deleted")).lower() == "true"
    return {"model": show_logged(logged_models.get_model(conn, model_id, deleted=deleted))}


@mlflow_route("PATCH", "/logged-models/<model_id>")
def finalize_logged_model(conn: Connection, fields: Fields, model_id: str) -> Document:
    """Say that the files of a logged model are all there, or that they failed."""
    given: Any = fields.given.get("status")
    known = dict(enumerate(logged_models.STATUSES))
    status = known.get(given, given) if type(given) is int else given
    if status not in logged_models.STATUSES:
        fields.refuse("status", given)
    return {"model": show_logged(logged_models.finish_model(conn, model_id, status, now()))}


@mlflow_route("DELETE", "/logged-models/<model_id>")
def delete_logged_model(conn: Connection, fields: Fields, model_id: str) -> Document:
    """Delete a logged model with its files, unless a version of a registered model is it."""
    logged_models.delete_model(conn, model_id, user=principal().user, now=now())
    return {}


@mlflow_route("PATCH", "/logged-models/<model_id>/tags")
def set_logged_model_tags(conn: Connection, fields: Fields, model_id: str) -> Document:
    """Set tags of a logged model."""
    return {"model": show_logged(logged_models.set_tags(conn, model_id, read_tags(fields, most=MAX_TAG), now()))}


@mlflow_route("DELETE", "/logged-models/<model_id>/tags/<path:key>")
def delete_logged_model_tag(conn: Connection, fields: Fields, model_id: str, key: str) -> Document:
    """Take a tag from a logged model."""
    logged_models.delete_tag(conn, model_id, key, now())
    return {}


@mlflow_route("POST", "/logged-models/<model_id>/params")
def log_logged_model_params(conn: Connection, fields: Fields, model_id: str) -> Document:
    """Add params to a logged model."""
    logged_models.add_parameters(conn, model_id, _read_parameters(fields), now())
    return {}


@mlflow_route("POST", "/logged-models/search", reads=True)
def search_logged_models(conn: Connection, fields: Fields) -> Document:
    """Find logged models of experiments."""
    term = mlflow_models.parse(fields.optional("filter", most=MAX_FILTER) or "", mlflow_models.LOGGED)
    orders = [_read_order(given) for given in fields.items("order_by", most=10)]
    pks = experiments.find_pks(conn, fields.texts("experiment_ids", most=1000))
    rows = logged_models.list_models(conn, pks, limit=MAX_SEARCHED) if pks else []
    pairs = [(values, row) for row in rows if mlflow_models.fits(term, _values(values := _attributes(row), row))]
    page, token = read_page(pairs, orders, fields, "logged-models", usual=USUAL_PAGE, most=MAX_PAGE)
    shown: Document = {"models": [show_logged(row) for row in page]} if page else {}
    return {**shown, "next_page_token": token} if token else shown


@mlflow_route("GET", "/logged-models/<model_id>/artifacts/directories")
def list_logged_model_files(conn: Connection, fields: Fields, model_id: str) -> Document:
    """List what lies in a folder of a logged model."""
    row, holder = logged_models.get_model(conn, model_id), logged_models.find_holder(conn, model_id)
    path = read_path(fields.optional("artifact_directory_path") or "")
    inside = "/".join(filter(None, (logged_models.folder_of(model_id), path)))
    entries = artifact_folders.list_folder(conn, holder, inside)
    return {"root_uri": uri_of_model(row), **show_files(entries, f"{path}/" if path else "")}


@mlflow_route("POST", "/runs/outputs")
def log_outputs(conn: Connection, fields: Fields) -> Document:
    """Note which logged models a run made."""
    row = reported.find_run(conn, read_run_id(fields), view="active", lock=True)
    given = fields.items("models", most=100)
    logged_models.add_outputs(conn, row, {item.text("model_id"): item.whole("step") or 0 for item in given})
    return {}


@mlflow_route("POST", "/runs/log-model")
def log_model(conn: Connection, fields: Fields) -> Document:
    """Note a model of a run as older clients do, in the tag `mlflow.log-model.history`."""
    row = reported.find_run(conn, read_run_id(fields), view="active", lock=True)
    text = fields.text("model_json", most=MAX_TAG * 10)
    try:
        model = json.loads(text)
    except (ValueError, RecursionError):
        raise InvalidInput(
            f"Malformed model info. \n {text[:200]} \n is not a valid JSON.", field="model_json"
        ) from None
    missing = {"artifact_path", "flavors", "utc_time_created", "run_id"} - set(model if isinstance(model, dict) else ())
    if missing:
        raise InvalidInput(f"Model json is missing mandatory fields: {sorted(missing)}", field="model_json")
    known = keyed_tags.read_tags(conn, [row.pk])[row.pk].get(HISTORY, "[]")
    if len(known) + len(text) > MAX_HISTORY:
        raise InvalidInput("The history of the run's models is too long.", field="model_json")
    keyed_tags.set_tags(conn, row, {HISTORY: json.dumps([*json.loads(known), model])}, now())
    return {}


def _read_parameters(fields: Fields) -> dict[str, str]:
    given = fields.items("params", most=100)
    return {item.key(): item.optional("value", most=MAX_PARAM) or "" for item in given}


def _read_order(fields: Fields) -> tuple[str, Order]:
    """Return one order, an object with a field's name and a direction."""
    name = fields.text("field_name").removeprefix("attributes.")
    if name not in _ORDERS:
        fields.refuse("field_name", name, f"It must be one of {', '.join(_ORDERS)}.")
    return name, "asc" if fields.given.get("ascending", True) else "desc"


def _attributes(row: ModelRow) -> Document:
    return {
        "name": row.name,
        "model_id": row.id,
        "model_type": row.model_type,
        "status": row.status.removeprefix("LOGGED_MODEL_"),
        "source_run_id": row.run if row.is_of_run else None,
        "experiment_id": experiments.id_of(row.project_pk, row.project),
        "creation_timestamp": milliseconds(row.created_at),
        "last_updated_timestamp": milliseconds(row.updated_at),
    }


def _values(values: Document, row: ModelRow) -> mlflow_models.ValueOf:
    return lambda field: values_of(values, row.tags, row.parameters, field)
