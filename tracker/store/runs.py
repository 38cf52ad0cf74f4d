"""Runs: finding one, showing one, and the one door through which its state changes."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Select, select, update

from keepbest.contract import runs as contract
from keepbest.contract.base import ID_ALPHABET, ID_LENGTH, MIN_PREFIX
from keepbest.errors import Conflict, InvalidInput, NotFound, TransitionRefused
from keepbest.status import RunState, StopReason, may_move
from tracker.models import Project, Run
from tracker.store import audit, events

RunRow = Row[Any]
#: Candidates that an ambiguous prefix names.
_CANDIDATES = 5


def select_runs() -> Select[Any]:
    """Select every column of a run, and the name of its project."""
    return select(*Run.__table__.columns, Project.name.label("project")).join(Project, Run.project_pk == Project.pk)


def get_run(conn: Connection, reference: str, *, lock: bool = False, deleted: bool = False) -> RunRow:
    """Return the run with this id or unique prefix of it; `lock` keeps it until the transaction ends.

    Raises NotFound, or InvalidInput that names the candidates of an ambiguous prefix.
    """
    found = _find_by_id(conn, reference, lock=lock) or _find_by_prefix(conn, reference, lock=lock)
    if found is None or (found.deleted_at is not None and not deleted):
        raise NotFound(f"There is no run {reference!r}.", field="run", hint="List the runs with `keepbest ls`.")
    return found


def get_by_pk(conn: Connection, pk: int) -> RunRow:
    """Return the run with this internal number, as it is now."""
    return conn.execute(select_runs().where(Run.pk == pk)).one()


def move_run(
    conn: Connection,
    run: RunRow,
    to: RunState,
    *,
    now: datetime,
    reason: StopReason | None = None,
    message: str | None = None,
    **changes: Any,
) -> RunRow:
    """Change the run's state and whatever goes with it, write the event, and return the run as it is after.

    The only function that writes `runs.state`. Raises TransitionRefused when the run may not go there, or is no
    longer in the state it was read in.
    """
    origin = RunState(run.state)
    if not may_move(origin, to):
        raise TransitionRefused(f"Run {run.id} is {origin.value}: it cannot become {to.value}.", field="state")
    values = {"state": to.value, "updated_at": now, "stop_reason": reason and reason.value, "stop_message": message}
    values |= {"ended_at": now} if to.is_final else {}
    values |= {"started_at": now} if to is RunState.RUNNING and run.started_at is None else {}
    guard = update(Run).where(Run.pk == run.pk, Run.state == origin.value)
    if conn.execute(guard.values(**values, **changes)).rowcount != 1:
        raise Conflict(f"Run {run.id} has just changed its state.", hint="Look again, then try again.")
    after = get_by_pk(conn, run.pk)
    _announce(conn, after, now)
    return after


def show_run(row: RunRow) -> contract.Run:
    """Return the run as the wire shows it."""
    raise NotImplementedError


def _announce(conn: Connection, run: RunRow, now: datetime) -> None:
    fields = {"state", "stop_reason", "stop_message", "attempt", "started_at", "ended_at", "worker"}
    data = show_run(run).model_dump(mode="json", include=fields)
    events.append(conn, "run.state", run, data, now)
