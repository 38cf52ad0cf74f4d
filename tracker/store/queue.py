"""The queue: runs that wait for a worker, the highest priority first, of equal priority the oldest."""

from __future__ import annotations

from sqlalchemy import Connection, func, select

from keepbest.contract.actions import Queue
from keepbest.status import RunState
from tracker.models import RunTable
from tracker.store import runs


def list_queue(conn: Connection, limit: int) -> Queue:
    """Return the first queued runs in the order in which `runs.take_queued` takes them, and how many there are."""
    is_queued = RunTable.state == RunState.QUEUED.value
    order = (RunTable.priority.desc(), RunTable.pk)
    rows = conn.execute(runs.select_for_list().where(is_queued).order_by(*order).limit(limit))
    total = conn.execute(select(func.count()).where(is_queued)).scalar_one()
    return Queue(runs=[runs.show_in_list(row) for row in rows], total=total)
