"""Workers: their registrations, their recipes, and when the tracker last heard of them."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Literal

from sqlalchemy import Connection, Row, delete, func, or_, select, update

from keepbest.contract.workers import RecipeInfo, Worker, WorkerRegistration
from keepbest.errors import NotAllowed, NotFound
from keepbest.status import RunState
from tracker import models
from tracker.db import insert
from tracker.store import events
from tracker.store.access import audit, users
from tracker.store.access.users import Principal

#: An idle worker claims each second; its `heard_at` is written only when it is older than this.
HEARD_SECONDS = 5.0
#: Workers that one run of the scheduler's job forgets.
FORGOTTEN_AT_ONCE = 100
HELD = [state.value for state in RunState if state.is_held]


def register_worker(conn: Connection, hello: WorkerRegistration, *, by: Principal, now: datetime) -> None:
    """Add or replace a worker's registration.

    Raises NotAllowed where another credential, which is still valid, registered this worker.
    """
    known = find_worker(conn, hello.id)
    if known is not None:
        check_speaker(conn, known, by, now)
    fields = hello.model_dump(mode="json") | {"heard_at": now, "gone_at": None, "registered_by": by.credential}
    fresh = insert(conn, models.WorkerTable).values(**fields, started_at=now)
    conn.execute(fresh.on_conflict_do_update(index_elements=["id"], set_=fields))
    if known is None:
        audit.record(conn, by.user, "worker.hello", hello.id, now, {"name": hello.name, "host": hello.host})
    if known is None or known.gone_at is not None:
        events.append(conn, "worker.seen", None, {"id": hello.id, "name": hello.name}, now)


def hear(conn: Connection, worker_id: str | None, now: datetime) -> None:
    """Store that a worker was heard; a worker that was gone is back."""
    old = models.WorkerTable.heard_at < now - timedelta(seconds=HEARD_SECONDS)
    row = update(models.WorkerTable).where(
        models.WorkerTable.id == worker_id, or_(old, models.WorkerTable.gone_at.is_not(None))
    )
    conn.execute(row.values(heard_at=now, gone_at=None))


def deregister_worker(conn: Connection, worker_id: str, *, by: Principal, now: datetime) -> None:
    """Mark a worker as gone that ends. Raises NotAllowed as `register_worker` does."""
    worker = get_worker(conn, worker_id)
    check_speaker(conn, worker, by, now)
    _mark_gone(conn, worker, now)


def check_speaker(conn: Connection, worker: Row[Any], by: Principal, now: datetime) -> None:
    """Raise NotAllowed unless this credential registered the worker, or that credential is no longer valid."""
    if worker.registered_by in (None, by.credential) or not users.is_living(conn, worker.registered_by, now):
        return
    raise NotAllowed(
        f"Worker {worker.name} was registered with another token.",
        hint="Start the worker with its first token, or revoke that token first.",
    )


def find_worker(conn: Connection, worker_id: str) -> Row[Any] | None:
    """Return a worker's row, or None."""
    return conn.execute(_select().where(models.WorkerTable.id == worker_id)).one_or_none()


def get_worker(conn: Connection, worker_id: str, *, lock: bool = False) -> Row[Any]:
    """Return a worker's row; `lock` makes two requests of one worker wait for each other."""
    where = _select().where(models.WorkerTable.id == worker_id)
    row = conn.execute(where.with_for_update() if lock else where).one_or_none()
    if row is None:
        raise NotFound(
            f"Worker {worker_id} has not registered.", field="worker", hint="A worker does so when it starts."
        )
    return row


def count_busy(conn: Connection, worker_id: str) -> int:
    """Return how many runs a worker holds."""
    held = select(func.count()).where(models.RunTable.worker_id == worker_id, models.RunTable.state.in_(HELD))
    return conn.execute(held).scalar_one()


def list_workers(conn: Connection, *, silent_seconds: float, now: datetime) -> list[Worker]:
    """Return every worker known, the last heard first."""
    rows = conn.execute(
        _select().order_by(models.WorkerTable.gone_at.is_not(None), models.WorkerTable.heard_at.desc())
    ).all()
    busy = (
        select(models.RunTable.worker_id, func.count())
        .where(models.RunTable.state.in_(HELD))
        .group_by(models.RunTable.worker_id)
    )
    counts: dict[str | None, int] = {row[0]: row[1] for row in conn.execute(busy)}
    return [show_worker(row, counts.get(row.id, 0), silent_seconds, now) for row in rows]


def show_worker(row: Row[Any], busy: int, silent_seconds: float, now: datetime) -> Worker:
    """Return a worker as the API shows it."""
    state: Literal["alive", "silent", "gone"] = "alive"
    if row.gone_at is not None:
        state = "gone"
    elif now - row.heard_at > timedelta(seconds=silent_seconds):
        state = "silent"
    shown = {**row._mapping, "busy": busy, "state": state, "recipes": [recipe["name"] for recipe in row.recipes]}
    return Worker.model_validate(shown)


def list_recipes(conn: Connection) -> dict[str, RecipeInfo]:
    """Return every recipe that a worker announced, by name; of two with one name, that of the worker heard last."""
    rows = conn.execute(select(models.WorkerTable.recipes).order_by(models.WorkerTable.heard_at)).scalars()
    recipes = {recipe["name"]: recipe for announced in rows for recipe in announced}
    return {name: RecipeInfo.model_validate(recipes[name]) for name in sorted(recipes)}


def mark_gone(conn: Connection, *, gone_seconds: float, now: datetime) -> list[str]:
    """Mark workers as gone that were silent for `gone_seconds`; return their names. For the scheduler."""
    silent = models.WorkerTable.heard_at < now - timedelta(seconds=gone_seconds)
    rows = conn.execute(_select().where(models.WorkerTable.gone_at.is_(None), silent)).all()
    for row in rows:
        _mark_gone(conn, row, now)
    return [row.name for row in rows]


def forget_workers(conn: Connection, *, forget_days: float, now: datetime) -> int:
    """Forget workers gone for `forget_days`, unless no other worker knows one of their recipes; return how many.

    One call forgets `FORGOTTEN_AT_ONCE`, the longest silent first: a wrong clock costs no more.
    """
    long_ago = now - timedelta(days=forget_days)
    rows = conn.execute(_select().order_by(models.WorkerTable.heard_at.desc())).all()
    known: set[str] = set()
    forgotten = []
    for row in rows:
        names = {recipe["name"] for recipe in row.recipes}
        if row.gone_at is not None and row.gone_at < long_ago and names <= known:
            forgotten.append(row.id)
        known |= names
    going = forgotten[-FORGOTTEN_AT_ONCE:]
    conn.execute(delete(models.WorkerTable).where(models.WorkerTable.id.in_(going)))
    return len(going)


def _mark_gone(conn: Connection, worker: Row[Any], now: datetime) -> None:
    conn.execute(update(models.WorkerTable).where(models.WorkerTable.id == worker.id).values(gone_at=now))
    events.append(conn, "worker.gone", None, {"id": worker.id, "name": worker.name}, now)


def _select() -> Any:
    return select(*models.WorkerTable.__table__.columns)
