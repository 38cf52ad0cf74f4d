"""Ends of imports: the state and the moments that the source names, and what became of the monitor."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select, update

from keepbest.contract.imports import ImportEnd, ImportProgress
from keepbest.contract.runs import Mode
from keepbest.status import RunState
from tracker.models import ImportTable, RunTable, SegmentTable
from tracker.store import events, runs
from tracker.store.imports import imports
from tracker.store.reported import runs as reported
from tracker.store.runs import RunRow


def complete(conn: Connection, run: RunRow, end: ImportEnd, *, user: str, now: datetime) -> None:
    """Note that everything of the source is there, with the state that the source has now. Twice is once."""
    own = ImportTable
    if conn.execute(select(own.is_complete).where(own.run_pk == run.pk)).scalar_one() and run.state == end.state:
        return
    if run.state != end.state:
        reported.set_state(conn, run, RunState(end.state), ended_at=end.ended_at, user=user, now=now)
    row = runs.get_by_pk(conn, run.pk)
    moments: dict[str, Any] = {}
    if row.started_at is None and end.started_at is not None:
        moments |= {"started_at": end.started_at, "created_at": min(end.started_at, row.created_at)}
        first = (SegmentTable.run_pk == run.pk) & (SegmentTable.number == 0)
        conn.execute(update(SegmentTable).where(first).values(opened_at=end.started_at))
    if end.ended_at is not None:
        moments |= {"ended_at": end.ended_at}
    told = {"stop_message": end.message or None, "error": imports.describe_error(RunState(end.state), end.message)}
    conn.execute(update(RunTable).where(RunTable.pk == run.pk).values(**moments, **told, updated_at=now))
    conn.execute(update(own).where(own.run_pk == run.pk).values(is_complete=True))
    events.append(conn, "run.progress", run, {"step": run.step}, now)


def show_progress(conn: Connection, run: RunRow, monitor: str | None, left: int, unjudged: int) -> ImportProgress:
    """Return what the run's validations are by now."""
    row = runs.get_by_pk(conn, run.pk)
    return ImportProgress(
        left=left,
        unjudged=unjudged,
        validations=row.validations,
        monitor=monitor,
        mode=None if monitor is None else Mode(row.mode),
        best_step=row.best_step,
        best_value=row.best_value,
    )
