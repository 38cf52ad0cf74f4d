"""Addresses of artifacts: `<experiment>/<run>/artifacts/<path>` is a path of a run.

`<experiment>/models/<model>/artifacts/<path>` is one of a logged model, in the model's folder of its run.
"""

from __future__ import annotations

from typing import NamedTuple

from keepbest.errors import InvalidInput, NotFound
from tracker.db import Connection
from tracker.store import artifacts
from tracker.store.registry import logged_models
from tracker.store.reported import runs as reported
from tracker.store.runs import RunRow

#: What the path of artifacts has behind a run, and what stands in front of a logged model.
ROOM, MODELS = "artifacts", "models"


class FilePlace(NamedTuple):
    """A path of a run; "" is the outermost folder."""

    run: RunRow
    path: str


def find_place(conn: Connection, address: str) -> FilePlace:
    """Return what an address means; raises NotFound for none, InvalidInput for a path that leads elsewhere."""
    parts = address.strip("/").split("/")
    if len(parts) > 3 and (parts[1], parts[3]) == (MODELS, ROOM):
        inside = read_path("/".join(parts[4:]))
        path = "/".join(filter(None, (logged_models.folder_of(parts[2]), inside)))
        return FilePlace(logged_models.find_holder(conn, parts[2]), path)
    if len(parts) < 3 or parts[2] != ROOM:
        hint = "An address is <experiment>/<run>/artifacts/<path>: the run's artifact_uri tells it."
        raise NotFound(f"There are no artifacts at {address[:200]!r}.", field="path", hint=hint)
    return FilePlace(reported.find_run(conn, parts[1], view="active"), read_path("/".join(parts[3:])))


def read_path(path: str) -> str:
    """Return a checked path inside a run; "" is the outermost folder."""
    if not path.strip("/"):
        return ""
    try:
        return artifacts.read_path(path.rstrip("/"))
    except InvalidInput as error:
        raise InvalidInput(f"Invalid path: {error.message}", field="path") from None
