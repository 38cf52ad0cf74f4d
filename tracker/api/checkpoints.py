"""Checkpoints: the list, their files from the tracker's store, their variables, and receipts of restores."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from flask import Blueprint, Response

from keepbest.checkpoint import inspect
from keepbest.checkpoint.files.folder import Folder
from keepbest.checkpoint.manifest import MAX_MANIFEST_BYTES, Manifest, decode
from keepbest.contract.base import DIGEST_PATTERN
from keepbest.contract.checkpoints import (
    Checkpoint,
    CheckpointDiff,
    CheckpointList,
    CheckpointPatch,
    CollectedCheckpoint,
    Collection,
    CollectRequest,
    Receipt,
    ReceiptList,
    ValuesQuery,
    VariableList,
    VariableValues,
)
from keepbest.errors import CheckpointDamaged, InvalidInput, NotFound
from tracker.api import access
from tracker.api.envelope import now, route_schema, service, transaction
from tracker.db import Connection
from tracker.services import gc
from tracker.store import checkpoints, runs
from tracker.store.access import audit

blueprint = Blueprint("checkpoints", __name__)

BINARY = "application/octet-stream"
_PIECE = 2**20
_DIGEST = re.compile(DIGEST_PATTERN)


@blueprint.get("/runs/<run>/checkpoints")
@route_schema(CheckpointList)
def list_checkpoints(conn: Connection, run: str) -> CheckpointList:
    """List a run's checkpoints, oldest first; dropped ones are shown as such."""
    return CheckpointList(checkpoints=checkpoints.list_checkpoints(conn, runs.get_run(conn, run)))


@blueprint.get("/checkpoints/<checkpoint>")
@route_schema(Checkpoint)
def show_checkpoint(conn: Connection, checkpoint: str) -> Checkpoint:
    """Show one checkpoint."""
    return checkpoints.get_checkpoint(conn, checkpoint)


@blueprint.patch("/checkpoints/<checkpoint>")
@route_schema(Checkpoint, body=CheckpointPatch, transact=False)
def change_checkpoint(checkpoint: str, body: CheckpointPatch) -> Checkpoint:
    """Pin a checkpoint, so that retention never takes it, or let it go; pinning brings one back from the trash."""
    changed = gc.pin(service().settings, service().engine, checkpoint, body.is_pinned, now())
    with transaction() as conn:
        audit.record(conn, access.principal().user, "checkpoint.pin", checkpoint, now(), body.model_dump())
    return changed


@blueprint.post("/checkpoints/collect")
@route_schema(Collection, body=CollectRequest, transact=False)
def collect(body: CollectRequest) -> Collection:
    """Collect garbage in the checkpoint store, or say what would go."""
    done = gc.collect_garbage(service().settings, service().engine, now(), dry_run=body.dry_run)
    if not body.dry_run:
        with transaction() as conn:
            audit.record(conn, access.principal().user, "checkpoint.collect", "", now(), {"freed": done.freed_bytes})
    return Collection(
        dry_run=body.dry_run,
        trashed=[CollectedCheckpoint(run=run, checkpoint=id) for run, id in done.trashed],
        emptied=[CollectedCheckpoint(run=run, checkpoint=id) for run, id in done.emptied],
        trashed_artifacts=len(done.trashed_artifacts),
        emptied_artifacts=len(done.emptied_artifacts),
        orphans=len(done.orphans),
        freed_bytes=done.freed_bytes,
        waiting_bytes=done.waiting_bytes,
        damaged=done.damaged,
        busy=done.busy,
    )


@blueprint.get("/checkpoints/<checkpoint>/manifest")
@route_schema(None, transact=False, media="application/json")
def show_manifest(checkpoint: str) -> Response:
    """Return the manifest as the trainer wrote it."""
    return _send(_open_manifest(_find(checkpoint)), "application/json")


@blueprint.get("/checkpoints/<checkpoint>/objects/<digest>")
@route_schema(None, transact=False, media=BINARY)
def show_object(checkpoint: str, digest: str) -> Response:
    """Return one file of a checkpoint, a pack or the network's JSON, by a digest that its manifest names."""
    wanted = _find(checkpoint)
    if not _DIGEST.match(digest):
        raise InvalidInput("A digest is 64 hexadecimal digits.", field="digest")
    with _open_manifest(wanted) as manifest:
        suffixes = _read_objects(manifest.read())
    if digest not in suffixes:
        raise NotFound(f"Checkpoint {checkpoint} has no object {digest}.", field="digest")
    return _send(_open(wanted, "objects", digest[:2], f"{digest}{suffixes[digest]}"), BINARY)


@blueprint.get("/checkpoints/<checkpoint>/variables")
@route_schema(VariableList, transact=False)
def list_variables(checkpoint: str) -> VariableList:
    """List a checkpoint's variables with shape, type, digest and figures; every digest is checked."""
    return inspect.describe(*_read_manifest(_find(checkpoint)))


@blueprint.get("/checkpoints/<checkpoint>/values")
@route_schema(VariableValues, query=ValuesQuery, transact=False)
def show_values(checkpoint: str, query: ValuesQuery) -> VariableValues:
    """Show values of one variable, a slice of them or the first; its figures and histogram are of the whole."""
    return inspect.show_values(*_read_manifest(_find(checkpoint)), query)


@blueprint.get("/checkpoints/<checkpoint>/diff/<other>")
@route_schema(CheckpointDiff, transact=False)
def diff_checkpoints(checkpoint: str, other: str) -> CheckpointDiff:
    """Compare two checkpoints, of one run or of two, variable by variable."""
    return inspect.compare(*_read_manifest(_find(checkpoint)), *_read_manifest(_find(other)))


@blueprint.get("/runs/<run>/receipts")
@route_schema(ReceiptList)
def list_receipts(conn: Connection, run: str) -> ReceiptList:
    """List the proofs of restores of a run."""
    return ReceiptList(receipts=checkpoints.list_receipts(conn, runs.get_run(conn, run).pk))


@blueprint.post("/runs/<run>/receipts")
@route_schema(Receipt, body=Receipt, status=201)
def add_receipt(conn: Connection, run: str, body: Receipt) -> Receipt:
    """Keep the proof of a restore: recorded value, restored value, their difference."""
    return checkpoints.add_receipt(conn, runs.get_run(conn, run), body, access.principal().user, now())


def _find(checkpoint: str) -> Checkpoint:
    with transaction() as conn:
        return checkpoints.get_checkpoint(conn, checkpoint)


def _read_manifest(checkpoint: Checkpoint) -> tuple[Folder, Manifest]:
    with _open_manifest(checkpoint) as file:
        manifest, _ = decode(file.read(MAX_MANIFEST_BYTES), checkpoint.id)
    return Folder(Path(service().settings.store)), manifest


def _open_manifest(checkpoint: Checkpoint) -> BinaryIO:
    return _open(checkpoint, "runs", checkpoint.run, f"{checkpoint.id}.json")


def _open(checkpoint: Checkpoint, *parts: str) -> BinaryIO:
    """Open a file of the store. `parts` hold ids of the database and checked digests, so that no path leaves it."""
    try:
        return Path(service().settings.store, *parts).open("rb")
    except FileNotFoundError:
        raise NotFound(
            f"The files of checkpoint {checkpoint.id} are not in the tracker's store.",
            hint=f"Dropped, or in a worker's own store: see `keepbest checkpoints {checkpoint.run} --all`.",
        ) from None


def _read_objects(data: bytes) -> dict[str, str]:
    """Return the digests that a manifest names, each with its file's suffix; the client checks the rest."""
    try:
        manifest = json.loads(data)["manifest"]
        stored = [*manifest["variables"], *manifest.get("examples", ())]
        packs = {value["object"]: ".safetensors" for value in stored}
        return packs | {manifest["network"]: ".json"}
    except (ValueError, KeyError, TypeError) as error:
        raise CheckpointDamaged("The checkpoint's manifest cannot be read.", hint="Restore another one.") from error


def _send(source: BinaryIO, media: str) -> Response:
    size = source.seek(0, 2)
    source.seek(0)
    response = Response(_pieces(source), content_type=media, direct_passthrough=True)
    response.call_on_close(source.close)
    response.headers["Content-Length"] = str(size)
    response.headers["Cache-Control"] = "private, max-age=31536000, immutable"
    return response


def _pieces(source: BinaryIO) -> Iterator[bytes]:
    with source:
        while piece := source.read(_PIECE):
            yield piece
