"""The queue: runs that wait for a worker, the highest priority first, of equal priority by their places.

A place is a number that the run keeps. A new run's place is behind all others; a person who moves a run gives it one
between two others, and no other run changes.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, Float, func, literal, select, tuple_, update

from keepbest.contract.actions import Queue, QueuePlace
from keepbest.errors import Conflict
from keepbest.status import RunState
from tracker.models import RunTable
from tracker.store import events, runs
from tracker.store.access import audit
from tracker.store.access.users import Principal
from tracker.store.runs import RunRow
from tracker.store.search.visibility import visible

#: The place of a new run. Runs that are made at the same moment may share it; then the order is that of their numbers.
LAST_PLACE = select(func.coalesce(func.max(RunTable.pk), 0).cast(Float(53)) + 1).scalar_subquery()


def list_queue(conn: Connection, limit: int, *, principal: Principal | None = None) -> Queue:
    """Return the first queued runs in the order in which `runs.take_queued` takes them, and how many there are."""
    waits = (RunTable.state == RunState.QUEUED.value, visible(principal))
    order = (RunTable.priority.desc(), *runs.QUEUE_ORDER)
    rows = conn.execute(runs.select_for_list().where(*waits).order_by(*order).limit(limit))
    total = conn.execute(select(func.count()).select_from(RunTable).where(*waits)).scalar_one()
    return Queue(runs=[runs.show_in_list(row) for row in rows], total=total)


def place_run(conn: Connection, reference: str, place: QueuePlace, *, user: str, now: datetime) -> RunRow:
    """Put a queued run directly before or behind another; it takes that run's priority.

    Raises Conflict where one of the two does not wait, or both are the same.
    """
    ids = [runs.get_run(conn, name).id for name in (reference, str(place.before or place.after))]
    # Locked in one order everywhere: two moves in opposite directions must not wait for each other.
    locked = {id: _get_queued(conn, id) for id in sorted(set(ids))}
    run, other = (locked[id] for id in ids)
    if run.pk == other.pk:
        raise Conflict(f"Run {run.id} has no place before or behind itself.", field="run", hint="Name another run.")
    values = {"priority": other.priority, "queue_place": _make_place(conn, run, other, is_before=bool(place.before))}
    conn.execute(update(RunTable).where(RunTable.pk == run.pk).values(**values, updated_at=now))
    events.append(conn, "run.changed", run, {"priority": other.priority}, now)
    target = {"before" if place.before else "after": other.id, "priority": other.priority}
    audit.record(conn, user, "run.place", run.id, now, target)
    return runs.get_by_pk(conn, run.pk)


def _get_queued(conn: Connection, reference: str) -> RunRow:
    run = runs.get_run(conn, reference, lock=True)
    if run.state != RunState.QUEUED:
        hint = f"A run that has ended waits again after `keepbest resume {run.id}`."
        raise Conflict(f"Run {run.id} is {run.state}: it has no place in the queue.", field="run", hint=hint)
    return run


def _make_place(conn: Connection, run: RunRow, other: RunRow, *, is_before: bool) -> float:
    """Return a place between the other run and its neighbour; where there is none, the runs in front make room."""
    row = tuple_(*runs.QUEUE_ORDER)
    here = tuple_(literal(other.queue_place, Float(53)), literal(other.pk))
    waits = (RunTable.state == RunState.QUEUED.value, RunTable.priority == other.priority, RunTable.pk != run.pk)
    front = (*waits, row < here if is_before else row <= here)
    behind = (*waits, row >= here if is_before else row > here)
    place = RunTable.queue_place
    lower = conn.execute(select(func.max(place)).where(*front)).scalar()
    upper: float = conn.execute(
        select(func.coalesce(select(func.min(place)).where(*behind).scalar_subquery(), LAST_PLACE))
    ).scalar_one()
    if lower is None:
        return upper - 1
    middle: float = (lower + upper) / 2
    if lower < middle < upper:
        return middle
    conn.execute(update(RunTable).where(*front).values(queue_place=place - 1))
    return upper - 0.5
