"""Events: what happened, in the order that the database's own sequence gives.

On Postgres a lower number may be committed after a higher one. Whoever reads on from a number may therefore read only
up to a horizon, below which nothing can appear any more (`tracker.services.event_hub`); `max_seq`, `is_complete` and
`writers` are what finding it takes.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Protocol

from sqlalchemy import Connection, delete, func, insert, select, text

from keepbest.contract import events as contract
from tracker.models import EventTable

_APPEND = insert(EventTable)
#: Of the oldest events, by their own times.
PRUNED_AT_ONCE = timedelta(days=1)


class Subject(Protocol):
    """The run an event is about: a row of `runs.get_run`, or a `contract.Run`."""

    @property
    def id(self) -> str: ...
    @property
    def project(self) -> str: ...


def append(conn: Connection, kind: str, run: Subject | None, data: Mapping[str, Any], now: datetime) -> None:
    """Write one event; `data` is JSON and holds the fields that changed, named as in the object they belong to."""
    about = {"run": None, "project": None} if run is None else {"run": run.id, "project": run.project}
    conn.execute(_APPEND, {"kind": kind, "data": dict(data), "at": now, **about})


def append_to_project(conn: Connection, kind: str, project: str, data: Mapping[str, Any], now: datetime) -> None:
    """Write one event about a project as a whole."""
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
    """Return the events after one number and up to another, oldest first."""
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
    """Whether every number after one and up to another is there to be seen."""
    seen = select(func.count()).where(EventTable.seq > after, EventTable.seq <= upto)
    return conn.execute(seen).scalar_one() == upto - after


def writers(conn: Connection) -> frozenset[str]:
    """Return the transactions on Postgres that have written events, or may be about to, and have not ended.

    An INSERT locks its table before it takes a number from the sequence, and until its transaction ends.
    """
    locked = text(
        "SELECT virtualtransaction FROM pg_locks WHERE relation = 'events'::regclass AND mode = 'RowExclusiveLock'"
        " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
    )
    return frozenset(conn.execute(locked).scalars())


def prune(conn: Connection, before: datetime) -> int:
    """Delete events older than `before`, at most a day of them; the newest stays: it shows how far the numbering came.

    So a clock that was wrong once costs no more than the oldest day.
    """
    oldest = conn.execute(select(EventTable.at).order_by(EventTable.seq).limit(1)).scalar()
    newest = select(func.max(EventTable.seq)).scalar_subquery()
    until = before if oldest is None else min(before, oldest + PRUNED_AT_ONCE)
    return conn.execute(delete(EventTable).where(EventTable.at < until, EventTable.seq < newest)).rowcount
