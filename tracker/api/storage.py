"""What is on the store's disk, and what is in the trash."""

from __future__ import annotations

import shutil
from datetime import timedelta

from flask import Blueprint
from pydantic import Field

from keepbest.contract.base import Shape
from keepbest.contract.storage import Storage, TrashPage
from tracker.api.access import principal
from tracker.api.envelope import route_schema, service
from tracker.db import Connection
from tracker.store import storage

blueprint = Blueprint("storage", __name__)


class TrashQuery(Shape):
    cursor: str | None = Field(default=None, max_length=200)
    limit: int = Field(default=100, ge=1, le=500)


@blueprint.get("/storage")
@route_schema(Storage)
def show_storage(conn: Connection) -> Storage:
    """Say what checkpoints take on disk, by project and kind, and how much room is left."""
    rows = storage.list_rows(conn)
    return Storage(rows=rows, bytes=sum(row.bytes for row in rows), free_bytes=_find_room())


@blueprint.get("/trash")
@route_schema(TrashPage, query=TrashQuery)
def list_trash(conn: Connection, query: TrashQuery) -> TrashPage:
    """List deleted runs, the last deleted first; `POST /runs/{run}/undelete` brings one back."""
    keeps = timedelta(hours=service().settings.trash_hours)
    return storage.list_deleted(conn, keeps=keeps, cursor=query.cursor, limit=query.limit, principal=principal())


def _find_room() -> int | None:
    try:
        return shutil.disk_usage(service().settings.store).free
    except OSError:
        return None
