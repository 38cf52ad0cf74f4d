"""Events: what happened, numbered by the database's own sequence.

On Postgres a lower number may be committed after a higher one. A reader must therefore stop at a horizon, up to which
no further event can appear (`tracker.services.event_hub`). `max_seq`, `is_complete` and `writers` serve to find it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Protocol

from sqlalchemy import Connection, delete, func, insert, select, text

from keepbest.contract import events as contract
from tracker.models import EventTable

_APPEND = insert(EventTable)
#: The span of the oldest events that one call of `prune` may delete.
PRUNED_AT_ONCE = timedelta(days=1)


class Subject(Protocol):
    """The run of an event: a row of `runs.get_run`, or a `contract.Run`."""

    @property
    def id(self) -> str: ...
    @property
    def project(self) -> str: ...


def append(conn: Connection, kind: str, run: Subject | None, data: Mapping[str, Any], now: datetime) -> None:
    """Write an event; `data` holds the changed fields as JSON, under their names in the API."""
    about = {"run": None, "project": None} if run is None else {"run": run.id, "project": run.project}
    conn.execute(_APPEND, {"kind": kind, "data": dict(data), "at": now, **about})


def append_to_project(conn: Connection, kind: str, project: str, data: Mapping[str, Any], now: datetime) -> None:
    """Write an event about a whole project."""
    conn.execute(_APPEND, {"kind": kind, "data": dict(data), "at": now, "run": None, "project": project})


def read_events(
    conn: Connection,
    after: int,
    horizon: int,
    *,
    limit: int,
    run: str | None = None,
    project: str | None = None,
) -> list[contract.Event]:
    """Return the events after the number `after`, up to `horizon`, oldest first."""
    query = select(*EventTable.__table__.columns).where(EventTable.seq > after, EventTable.seq <= horizon)
    if run is not None:
        query = query.where(EventTable.run == run)
    if project is not None:
        query = query.where(EventTable.project == project)
    rows = conn.execute(query.order_by(EventTable.seq).limit(limit))
    return [contract.Event.model_validate(row._asdict()) for row in rows]


def min_seq(conn: Connection) -> int:
    """Return the oldest event's number; 1 where there is none."""
    return conn.execute(select(func.min(EventTable.seq))).scalar_one() or 1


def max_seq(conn: Connection) -> int:
    """Return the newest visible event's number; 0 where there is none."""
    return conn.execute(select(func.max(EventTable.seq))).scalar_one() or 0


def is_complete(conn: Connection, after: int, upto: int) -> bool:
    """Whether every number after `after`, up to `upto`, is visible."""
    seen = select(func.count()).where(EventTable.seq > after, EventTable.seq <= upto)
    return conn.execute(seen).scalar_one() == upto - after


def writers(conn: Connection) -> frozenset[str]:
    """Return the open transactions on Postgres that have written events, or may be about to.

    An INSERT locks its table before it takes a number from the sequence, and until its transaction ends.
    """
    locked = text(
        "SELECT virtualtransaction FROM pg_locks WHERE relation = 'events'::regclass AND mode = 'RowExclusiveLock'"
        " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
    )
    return frozenset(conn.execute(locked).scalars())


def prune(conn: Connection, before: datetime) -> int:
    """Delete events older than `before`, one day of them at most, so that a wrong clock costs no more than a day.

    The newest event stays, because its number shows how far the numbering has come.
    """
    oldest = conn.execute(select(EventTable.at).order_by(EventTable.seq).limit(1)).scalar()
    newest = select(func.max(EventTable.seq)).scalar_subquery()
    until = before if oldest is None else min(before, oldest + PRUNED_AT_ONCE)
    return conn.execute(delete(EventTable).where(EventTable.at < until, EventTable.seq < newest)).rowcount
