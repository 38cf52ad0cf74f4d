"""Runs: made, changed, ended, deleted, and what is said of them but their values."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from keepbest.errors import InvalidInput
from keepbest.status import RunState
from tracker import db
from tracker.api.access import principal
from tracker.api.envelope import now, service
from tracker.db import Connection
from tracker.mlflow.experiments import read_tags
from tracker.mlflow.fields import MAX_MILLISECONDS, MAX_PARAM, MAX_TAG, Fields, read_run_id
from tracker.mlflow.routes import mlflow_route
from tracker.mlflow.shapes import Document, show_info, show_runs
from tracker.services import gc
from tracker.store import deletions, runs
from tracker.store.reported import datasets, experiments, keyed_tags, orders, parameters, reading
from tracker.store.reported import runs as reported
from tracker.store.reported.datasets import UsedDataset
from tracker.store.runs import RunRow

#: A data set's schema and profile are large.
MAX_INPUT_BYTES = 8 * 2**20
_STATES = {
    "RUNNING": RunState.RUNNING,
    "SCHEDULED": RunState.QUEUED,
    "FINISHED": RunState.FINISHED,
    "FAILED": RunState.FAILED,
    "KILLED": RunState.CANCELLED,
}
_NUMBERS = {1: "RUNNING", 2: "SCHEDULED", 3: "FINISHED", 4: "FAILED", 5: "KILLED"}


@mlflow_route("POST", "/runs/create")
def create_run(conn: Connection, fields: Fields) -> Document:
    """Make a run that is running."""
    tags = read_tags(fields, most=MAX_TAG)
    name = fields.optional("run_name") or tags.get(keyed_tags.NAME)
    if user := fields.optional("user_id", most=250):
        tags.setdefault("mlflow.user", user)
    id = fields.optional("experiment_id") or experiments.DEFAULT_ID
    project = experiments.ensure_experiment(conn, id, user=principal().user, now=now())
    started = read_moment(fields, "start_time") or now()
    made = reported.create_run(conn, project, name, started_at=started, user=principal().user, now=now())
    keyed_tags.set_tags(conn, made, {**tags, keyed_tags.NAME: name or made.name}, now())
    return {"run": _show(conn, made.pk)}


@mlflow_route("GET", "/runs/get")
def get_run(conn: Connection, fields: Fields) -> Document:
    """Show a run, a deleted one too; the tag `keepbest.stop` says why it shall stop."""
    row = reported.find_run(conn, read_run_id(fields))
    shown, order = _show(conn, row.pk), orders.find_order(conn, row)
    tags = [tag for tag in shown["data"]["tags"] if tag["key"] != orders.STOP]
    shown["data"]["tags"] = tags if order is None else [*tags, {"key": orders.STOP, "value": order}]
    return {"run": shown}


@mlflow_route("POST", "/runs/update")
def update_run(conn: Connection, fields: Fields) -> Document:
    """Change a run's status, end and name."""
    id, status, name = read_run_id(fields), _read_status(fields), fields.optional("run_name")
    ended = read_moment(fields, "end_time")
    if status is not None or ended is not None:
        row = reported.get_reporting(conn, id)
        to = status or RunState(row.state)
        if to is RunState.RUNNING and RunState(row.state).is_final:
            orders.forget(conn, row)
        obeyed = orders.find_end(conn, row) if to is RunState.FINISHED else None
        reported.set_state(conn, row, to, ended_at=ended, user=principal().user, now=now(), obeyed=obeyed)
    if name:
        keyed_tags.set_tags(conn, reported.find_run(conn, id, lock=True), {keyed_tags.NAME: name}, now())
    return {"run_info": show_info(conn, reading.get_row(conn, reported.find_run(conn, id).pk))}


@mlflow_route("POST", "/runs/delete")
def delete_run(conn: Connection, fields: Fields) -> Document:
    """Delete a run; one that still reports is cancelled first."""
    row = reported.find_run(conn, read_run_id(fields), lock=True)
    if row.deleted_at is None:
        if row.is_reported and RunState(row.state).is_held:
            reported.set_state(conn, row, RunState.CANCELLED, ended_at=None, user=principal().user, now=now())
        deletions.delete_run(conn, runs.get_by_pk(conn, row.pk), user=principal().user, now=now())
    return {}


@mlflow_route("POST", "/runs/restore", transact=False)
def restore_run(fields: Fields) -> Document:
    """Bring a deleted run back."""
    id = read_run_id(fields)
    with db.read(service().engine) as conn:
        row = reported.find_run(conn, id)
    if row.deleted_at is not None:
        gc.undelete(service().settings, service().engine, id, user=principal().user, now=now())
    return {}


@mlflow_route("POST", "/runs/log-parameter")
def log_parameter(conn: Connection, fields: Fields) -> Document:
    """Add a param to a run."""
    row = reported.get_reporting(conn, read_run_id(fields))
    parameters.add_parameters(conn, _hear(conn, row), _read_param(fields), now())
    return {}


@mlflow_route("POST", "/runs/set-tag")
def set_tag(conn: Connection, fields: Fields) -> Document:
    """Set a tag of a run."""
    row = _hear(conn, reported.find_run(conn, read_run_id(fields), view="active", lock=True))
    key = fields.key()
    keyed_tags.set_tags(conn, row, {key: fields.optional("value", most=MAX_TAG) or ""}, now())
    if key == orders.STOPPED:
        orders.obey(conn, row, now())
    return {}


@mlflow_route("POST", "/runs/delete-tag")
def delete_tag(conn: Connection, fields: Fields) -> Document:
    """Take a tag from a run."""
    row = _hear(conn, reported.find_run(conn, read_run_id(fields), view="active", lock=True))
    keyed_tags.delete_tag(conn, row, fields.key(), now())
    return {}


@mlflow_route("POST", "/runs/log-inputs", limit=MAX_INPUT_BYTES)
def log_inputs(conn: Connection, fields: Fields) -> Document:
    """Add the data sets that a run used; models that it used are left out."""
    row = _hear(conn, reported.find_run(conn, read_run_id(fields), view="active", lock=True))
    datasets.add_datasets(conn, row, [_read_dataset(given) for given in fields.items("datasets", most=100)])
    return {}


def read_params(fields: Fields) -> dict[str, str]:
    """Return the params of a request by key; raises InvalidInput for a key that comes twice."""
    params: dict[str, str] = {}
    for given in fields.items("params", most=100):
        for key, value in _read_param(given).items():
            if key in params:
                message = f"Duplicate parameter keys have been submitted: ['{key}']."
                raise InvalidInput(message, field="params", hint="Send one value for each key.")
            params[key] = value
    return params


def read_moment(fields: Fields, name: str) -> datetime | None:
    """Return a moment given in milliseconds; None for none, and for 0."""
    given = fields.whole(name, most=MAX_MILLISECONDS)
    return datetime.fromtimestamp(given / 1000, UTC) if given else None


def _hear(conn: Connection, row: RunRow) -> RunRow:
    return reported.hear(conn, row, user=principal().user, now=now())


def _read_param(fields: Fields) -> dict[str, str]:
    return {fields.key(): fields.optional("value", most=MAX_PARAM) or ""}


def _read_status(fields: Fields) -> RunState | None:
    given = fields.given.get("status")
    name: Any = _NUMBERS.get(given, given) if isinstance(given, int) else given
    if name is None:
        return None
    return _STATES[name] if isinstance(name, str) and name in _STATES else fields.refuse("status", given)


def _read_dataset(fields: Fields) -> UsedDataset:
    given = fields.given.get("dataset")
    if not isinstance(given, dict):
        fields.refuse("dataset", given)
    dataset = Fields(given, f"{fields.path}dataset.")
    name, digest = dataset.text("name", most=500), dataset.text("digest", most=36)
    source = {key: dataset.optional(key, most=65_535) or "" for key in ("source_type", "source")}
    large = {key: dataset.optional(key, most=2**20) for key in ("schema", "profile")}
    tags = {tag.text("key", most=255): tag.optional("value", most=500) or "" for tag in fields.items("tags", most=100)}
    about = {"name": name, "digest": digest, **source, **{key: text for key, text in large.items() if text is not None}}
    document = {"dataset": about, "tags": [{"key": key, "value": value} for key, value in tags.items()]}
    return UsedDataset(name, digest, tags.get("mlflow.data.context", ""), document)


def _show(conn: Connection, run_pk: int) -> Document:
    (shown,) = show_runs(conn, reading.read_rows(conn, [run_pk]))
    return shown
