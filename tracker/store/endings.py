"""The end of a resumed run: kept until a worker takes the run, and restored where the resume is cancelled first."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, null

from keepbest.status import RunState, StopReason
from tracker.store import runs
from tracker.store.runs import RunRow

#: The columns that a resume changes: JSON objects, and plain values.
_OBJECTS = ("error", "test", "selection", "start_overrides")
_VALUES = (
    "selected_value", "selected_step", "averages_tried", "wait", "patience_left", "patience_unit", "attempts_before",
    "max_steps", "start_checkpoint", "worker_id", "worker_name",
)  # fmt: skip


def remember(run: RunRow) -> Any:
    """Return the run's end for `runs.ended_before`; SQL's null for a run that has not ended."""
    if not RunState(run.state).is_final or run.ended_at is None:
        return null()
    end = {name: getattr(run, name) for name in ("state", "stop_reason", "stop_message", *_OBJECTS, *_VALUES)}
    return {**end, "ended_at": run.ended_at.isoformat()}


def take_back(conn: Connection, run: RunRow, now: datetime) -> RunRow | None:
    """Restore the end of a resumed run that no worker has taken; return None for any other run."""
    before = run.ended_before
    if run.state != RunState.QUEUED or not before:
        return None
    values: dict[str, Any] = {name: before[name] for name in _VALUES}
    values |= {name: null() if before[name] is None else before[name] for name in _OBJECTS}
    return runs.move_run(
        conn,
        run,
        RunState(before["state"]),
        now=now,
        reason=StopReason(before["stop_reason"]) if before["stop_reason"] else None,
        message=before["stop_message"],
        ended_at=datetime.fromisoformat(before["ended_at"]),
        ended_before=null(),
        **values,
    )
