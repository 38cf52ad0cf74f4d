"""Where runs of other tools come in (`keepbest.contract.imports`)."""

from __future__ import annotations

from flask import Blueprint, request

from keepbest.contract.batches import BATCH_MEDIA_TYPE, MAX_BATCH_BYTES
from keepbest.contract.imports import (
    MAX_IMPORT_BYTES,
    MAX_SEGMENTS,
    ImportedColumns,
    ImportedRun,
    ImportEnd,
    ImportProgress,
    ImportReceipt,
    ImportRequest,
)
from keepbest.errors import InvalidInput
from tracker.api import batch_format
from tracker.api.access import principal
from tracker.api.envelope import now, route_schema, service, transaction
from tracker.db import Connection
from tracker.services import imports as services
from tracker.store.imports import imports
from tracker.store.imports import points as imported
from tracker.store.imports.points import OffsetColumn

blueprint = Blueprint("imports", __name__)


@blueprint.post("/imports")
@route_schema(ImportedRun, body=ImportRequest, limit=MAX_IMPORT_BYTES)
def begin_import(conn: Connection, body: ImportRequest) -> ImportedRun:
    """Make the run of another tool's source, or find the one that it made before; tell how far its metrics are."""
    return imports.begin(conn, body, user=principal().user, now=now())


@blueprint.post("/imports/<run>/points")
@route_schema(
    ImportReceipt, body=ImportedColumns, body_media=(BATCH_MEDIA_TYPE,), limit=MAX_BATCH_BYTES, transact=False
)
def take_points(run: str) -> ImportReceipt:
    """Take points of an imported run; those that it has already are left out."""
    placed = _read_placed(request.get_data(cache=False))
    with transaction() as conn:
        return ImportReceipt(taken=imported.add_points(conn, imports.get_import(conn, run), placed, now()))


@blueprint.post("/imports/<run>/end")
@route_schema(ImportProgress, body=ImportEnd, transact=False)
def end_import(run: str, body: ImportEnd) -> ImportProgress:
    """Judge the next piece of the run's validations; where nothing is left, the import is complete."""
    return services.finish(service().engine, run, body, user=principal().user, now=now())


def _read_placed(data: bytes) -> list[OffsetColumn]:
    header, columns = batch_format.read_columns(data)
    placed = []
    for place, (given, column) in enumerate(zip(header.get("columns", []), columns, strict=True)):
        field = f"columns.{place}"
        if column.segment >= MAX_SEGMENTS:
            message = f"A run has at most {MAX_SEGMENTS:,} segments."
            raise InvalidInput(message, field=f"{field}.segment", hint="Leave out what the script began anew.")
        offset = batch_format.read_whole(given.get("offset"), f"{field}.offset", 0, 2**53)
        placed.append(OffsetColumn(column, offset))
    return placed
