"""Runs and experiments as MLflow's clients read them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from keepbest.contract.names import to_name
from keepbest.query.mlflow_meaning import STATUSES
from keepbest.status import RunState
from tracker.db import Connection
from tracker.mlflow.answers import name_number
from tracker.store.artifact_folders import FolderEntry
from tracker.store.registry import logged_models
from tracker.store.reported import keyed_tags, reading
from tracker.store.reported.experiments import Experiment, id_of
from tracker.store.reported.reading import RunData
from tracker.store.runs import RunRow

Document = dict[str, Any]


def show_experiment(experiment: Experiment) -> Document:
    """Return an experiment."""
    created = milliseconds(experiment.created_at) if experiment.created_at else 0
    return {
        "experiment_id": experiment.id,
        "name": experiment.name,
        "artifact_location": f"mlflow-artifacts:/{experiment.id}",
        "lifecycle_stage": "deleted" if experiment.is_deleted else "active",
        "last_update_time": created,
        "creation_time": created,
        "tags": show_tags(experiment.tags),
    }


def show_runs(conn: Connection, rows: Sequence[RunRow]) -> list[Document]:
    """Return runs with everything that is known of them but their histories."""
    known, made = reading.read_data(conn, rows), logged_models.read_outputs(conn, [row.pk for row in rows])
    return [_show_run(row, known[row.pk], made.get(row.pk, [])) for row in rows]


def show_info(conn: Connection, row: RunRow) -> Document:
    """Return what a run is, without its data."""
    return _show_info(row, keyed_tags.read_tags(conn, [row.pk])[row.pk])


def show_tags(tags: Mapping[str, str]) -> list[Document]:
    """Return tags as a list of keys and values."""
    return [{"key": key, "value": value} for key, value in sorted(tags.items())]


def uri_of(row: RunRow) -> str:
    """Return where a run's artifacts are."""
    return f"mlflow-artifacts:/{id_of(row.project_pk, row.project)}/{row.id}/artifacts"


def show_files(entries: Sequence[FolderEntry], before: str) -> Document:
    """Return what lies in a folder, each path with the folder's `before` it; nothing for a file, or an empty folder."""
    files: list[Document] = [
        {"path": f"{before}{entry.name}", "is_dir": True}
        if entry.size_bytes is None
        else {"path": f"{before}{entry.name}", "is_dir": False, "file_size": entry.size_bytes}
        for entry in entries
    ]
    return {"files": files} if files else {}


def milliseconds(moment: datetime) -> int:
    """Return a moment as MLflow counts it."""
    return round(moment.timestamp() * 1000)


def _show_run(row: RunRow, data: RunData, made: Sequence[tuple[str, int]]) -> Document:
    metrics = [
        {"key": last.key, "value": name_number(last.value), "timestamp": last.milliseconds, "step": last.step}
        for last in data.metrics
    ]
    params = [{"key": key, "value": value} for key, value in data.parameters.items()]
    own = {**data.tags, keyed_tags.NAME: _name(row, data.tags)}
    info = _show_info(row, data.tags)
    shown: Document = {"metrics": metrics, "params": params, "tags": show_tags(own)}
    inputs = {"dataset_inputs": data.datasets, "model_inputs": []}
    outputs = {"model_outputs": [{"model_id": id, "step": step} for id, step in made]} if made else {}
    return {"info": info, "data": shown, "inputs": inputs, "outputs": outputs}


def _show_info(row: RunRow, tags: Mapping[str, str]) -> Document:
    experiment = id_of(row.project_pk, row.project)
    info: Document = {
        "run_uuid": row.id,
        "run_id": row.id,
        "experiment_id": experiment,
        "run_name": _name(row, tags),
        "user_id": tags.get("mlflow.user") or row.created_by,
        "status": STATUSES[RunState(row.state)],
        "start_time": milliseconds(row.started_at or row.created_at),
        "artifact_uri": uri_of(row),
        "lifecycle_stage": "active" if row.deleted_at is None else "deleted",
    }
    return info if row.ended_at is None else {**info, "end_time": milliseconds(row.ended_at)}


def _name(row: RunRow, tags: Mapping[str, str]) -> str:
    """Return the name that the client gave, while it still stands for the run's."""
    given = tags.get(keyed_tags.NAME, "")
    return given if to_name(given) == row.name else str(row.name)
