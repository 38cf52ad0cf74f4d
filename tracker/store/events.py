"""Events: what happened, in the order that the database's own sequence gives."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Protocol

from sqlalchemy import Connection, insert

from tracker.models import Event


class Subject(Protocol):
    """The run an event is about: a row of `runs.get_run`, or a `contract.Run`."""

    @property
    def id(self) -> str: ...
    @property
    def project(self) -> str: ...


def append(conn: Connection, kind: str, run: Subject | None, data: Mapping[str, Any], now: datetime) -> None:
    """Write one event; `data` is JSON and holds the fields that changed, named as in the object they belong to."""
    values = {"kind": kind, "data": dict(data), "at": now, "run": run and run.id, "project": run and run.project}
    conn.execute(insert(Event), values)
