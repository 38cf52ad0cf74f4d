"""Artifacts: files of runs, at the addresses that MLflow's clients make of a run's `artifact_uri`.

They are the artifacts that keepbest's own routes serve: same store, same limits, same trash.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import Response, request

from keepbest.contract.artifacts import kind_of
from keepbest.errors import InvalidInput, NotFound
from tracker import db
from tracker.api.access import principal
from tracker.api.artifacts import read_media_type, read_pieces, send_artifact
from tracker.api.envelope import now, service
from tracker.db import Connection
from tracker.mlflow.fields import Fields, read_run_id
from tracker.mlflow.places import FilePlace, find_place, read_path
from tracker.mlflow.routes import file_route, mlflow_route
from tracker.mlflow.shapes import Document, show_files, uri_of
from tracker.services.artifacts import ArtifactIntake, Upload
from tracker.store import artifact_folders, artifacts
from tracker.store.registry import logged_models
from tracker.store.reported import runs as reported
from tracker.store.runs import RunRow

_ROOT = "/2.0/mlflow-artifacts/artifacts"


@file_route("PUT", f"{_ROOT}/<path:address>")
def upload_file(address: str) -> Mapping[str, Any]:
    """Keep a file; another one at the same path is its next version."""
    request.max_content_length = service().settings.artifact_bytes
    with db.read(service().engine) as conn:
        place = _find_file(conn, address)
    media = read_media_type(place.path)
    upload = Upload(
        run=place.run.id,
        path=place.path,
        kind=kind_of(media),
        media_type=media,
        pieces=read_pieces(),
        length=_read_length(),
        digest=None,
        is_known=False,
        lease="",
    )
    ArtifactIntake(service().settings, service().engine).take(upload, principal(), now())
    _revive(place.run)
    return {}


@file_route("GET", f"{_ROOT}/<path:address>")
def download_file(address: str) -> Response:
    """Fetch a file, or a range of its bytes."""
    with db.read(service().engine) as conn:
        place = _find_file(conn, address)
        artifact = artifacts.get_artifact(conn, place.run, place.path)
    return send_artifact(artifact)


@file_route("DELETE", f"{_ROOT}/<path:address>")
def delete_files(address: str) -> Mapping[str, Any]:
    """Delete a file, or all files of a folder, with their older versions."""
    with db.write(service().engine) as conn:
        place = find_place(conn, address)
        paths = artifact_folders.list_below(conn, place.run, place.path)
        if not paths:
            raise NotFound(f"Run {place.run.id} has no artifact {place.path!r}.", field="path")
        for path in paths:
            artifacts.delete_artifact(conn, place.run, path, user=principal().user, now=now())
    return {}


@file_route("GET", _ROOT)
def list_folder() -> Mapping[str, Any]:
    """List what lies in a folder, by its address; a file holds nothing."""
    fields = Fields(request.args.to_dict())
    with db.read(service().engine) as conn:
        return _list(conn, find_place(conn, fields.optional("path") or ""), "")


@mlflow_route("GET", "/artifacts/list")
def list_files(conn: Connection, fields: Fields) -> Document:
    """List what lies in a folder of a run."""
    row = reported.find_run(conn, read_run_id(fields), view="active")
    path = read_path(fields.optional("path") or "")
    return {"root_uri": uri_of(row), **_list(conn, FilePlace(row, path), f"{path}/" if path else "")}


@file_route("GET", "/3.0/mlflow/server-info")
def show_server_info() -> Mapping[str, Any]:
    """Say what of MLflow's optional features is there: none."""
    names = ("workspaces", "trace_archival", "multipart_uploads", "multipart_downloads")
    return {"store_type": "SqlStore", **{f"{name}_enabled": False for name in names}, "features_enabled": {}}


def _list(conn: Connection, place: FilePlace, before: str) -> Document:
    """Return what lies in a folder; the files of logged models lie at addresses of their own."""
    entries = artifact_folders.list_folder(conn, place.run, place.path)
    return show_files([entry for entry in entries if place.path or entry.name != logged_models.FOLDER], before)


def _find_file(conn: Connection, address: str) -> FilePlace:
    place = find_place(conn, address)
    if not place.path:
        raise InvalidInput("Invalid path: a file has a name.", field="path")
    return place


def _read_length() -> int | None:
    """Return the length of the body. Clients send an empty file in pieces, of which there is none."""
    return 0 if request.content_length is None else request.content_length


def _revive(run: RunRow) -> None:
    """Bring back a run that counted as lost: its script has just said something."""
    if run.is_reported and run.ended_at is not None:
        with db.write(service().engine) as conn:
            reported.revive(conn, reported.get_reporting(conn, run.id), user=principal().user, now=now())
