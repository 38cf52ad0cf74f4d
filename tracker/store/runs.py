"""Runs: finds and shows them. Only `move_run` and `take_queued` change a run's state."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import JSON, ColumnElement, Connection, Row, Select, func, null, or_, select, update

from keepbest.contract import runs as contract
from keepbest.contract import validate
from keepbest.contract.base import ID_ALPHABET, ID_LENGTH, MIN_PREFIX
from keepbest.contract.tags import change_tags
from keepbest.errors import Conflict, InvalidInput, NotFound, RunDeleted, TransitionRefused
from keepbest.status import RunState, StopReason, may_move
from tracker.models import LeaseTable, ProjectTable, RunTable
from tracker.store import events
from tracker.store.access import audit
from tracker.store.access.users import Principal
from tracker.store.search import entries
from tracker.store.search.visibility import in_trash, visible

RunRow = Row[Any]

#: What lists leave out.
_LARGE = ("environment", "memory", "selection")
#: How many candidates an ambiguous prefix names.
_CANDIDATES = 5
#: No deleted run is queued: a deletion cancels it first.
_QUEUED = RunTable.state == RunState.QUEUED.value
#: The order of queued runs of one priority.
QUEUE_ORDER = (RunTable.queue_place, RunTable.pk)
#: Outcomes of a lease that count against the run's `max_attempts`; a hand-back and a pause at a rung do not.
SPENT = ("crashed", "expired")
_STATE_FIELDS = {
    "state", "stop_reason", "stop_message", "error", "test", "selection", "attempt", "failed_attempts", "started_at",
    "ended_at", "worker", "max_steps", "memory", "warning", "stalled_since",
}  # fmt: skip


def select_runs(*, without: Collection[str] = ()) -> Select[Any]:
    """Select every column of a run but those in `without`, and the name of its project."""
    columns = [column for column in RunTable.__table__.columns if column.name not in without]
    return select(*columns, ProjectTable.name.label("project")).join(
        ProjectTable, RunTable.project_pk == ProjectTable.pk
    )


def select_for_list() -> Select[Any]:
    """Select what `show_in_list` takes: nothing that is large and read one run at a time."""
    return select_runs(without=_LARGE)


def select_with_failed() -> Select[Any]:
    """Select as `select_runs` does, and `failed_attempts` since the last resume."""
    since = (LeaseTable.run_pk == RunTable.pk, LeaseTable.attempt > RunTable.attempts_before)
    failed = select(func.count()).where(*since, LeaseTable.outcome.in_(SPENT)).correlate(RunTable)
    return select_runs().add_columns(failed.scalar_subquery().label("failed_attempts"))


def get_run(conn: Connection, reference: str, *, lock: bool = False) -> RunRow:
    """Return the run with this id or unique beginning of an id; `lock` locks its row until the transaction ends.

    Raises NotFound, or InvalidInput that names the candidates.
    """
    rows = _find(conn, reference, visible(None), lock)
    if not rows:
        raise _missing(conn, reference)
    return _only(rows, reference)


def get_deleted(conn: Connection, reference: str, *, lock: bool = False) -> RunRow:
    """Return the deleted run with this id or beginning of an id; raises as `get_run` does."""
    rows = _find(conn, reference, in_trash(None), lock)
    if not rows:
        raise NotFound(
            f"There is no deleted run {reference!r}.",
            field="run",
            hint="`keepbest ls` lists the runs that are not deleted.",
        )
    return _only(rows, reference)


def _find(conn: Connection, reference: str, condition: ColumnElement[bool], lock: bool) -> Sequence[RunRow]:
    query = select_with_failed().where(_refers(reference), condition).order_by(RunTable.pk.desc())
    query = query.with_for_update(of=RunTable.__table__) if lock else query
    return conn.execute(query.limit(_CANDIDATES)).all()


def _missing(conn: Connection, reference: str) -> NotFound:
    """Return the error that a run is not there; it tells a deleted run from one that never was."""
    deleted = _find(conn, reference, in_trash(None), lock=False)
    if len(deleted) != 1:
        return NotFound(f"There is no run {reference!r}.", field="run", hint="`keepbest ls` lists the runs.")
    run = deleted[0]
    message = f"Run #{run.number} {run.name} of {run.project} was deleted."
    return RunDeleted(message, field="run", hint=f"`keepbest rm {run.id} --undo` brings it back.")


def _only(rows: Sequence[RunRow], reference: str) -> RunRow:
    if len(rows) > 1:
        names = ", ".join(f"{row.id} ({row.name})" for row in rows)
        raise InvalidInput(f"{reference!r} begins several ids: {names}.", field="run", hint="Write more of the id.")
    return rows[0]


def find_runs(conn: Connection, ids: Sequence[str], principal: Principal | None = None) -> list[RunRow]:
    """Return the runs with these ids that the person sees, each once, in the order asked, without their documents."""
    light = [column for column in RunTable.__table__.columns if not isinstance(column.type, JSON)]
    query = select(*light).where(RunTable.id.in_(ids), visible(principal))
    rows = {row.id: row for row in conn.execute(query)}
    return [rows[id] for id in dict.fromkeys(ids) if id in rows]


def find_whole_runs(conn: Connection, ids: Sequence[str], principal: Principal | None = None) -> list[RunRow]:
    """Return the runs with these ids that the person sees, each once, in the order asked, as `show_run` takes them."""
    query = select_with_failed().where(RunTable.id.in_(ids), visible(principal))
    rows = {row.id: row for row in conn.execute(query)}
    return [rows[id] for id in dict.fromkeys(ids) if id in rows]


def get_by_pk(conn: Connection, pk: int) -> RunRow:
    """Return the run with this primary key, as it is now."""
    return conn.execute(select_with_failed().where(RunTable.pk == pk)).one()


def show_run(row: RunRow) -> contract.Run:
    """Return a row of `select_with_failed` as the API shows it."""
    return contract.Run.model_validate({**row._mapping, "worker": row.worker_name})


def show_in_list(row: RunRow) -> contract.Run:
    """Return a row as a list shows it: without what is large and read one run at a time."""
    large = dict.fromkeys((*_LARGE, "failed_attempts"))
    return contract.Run.model_validate({**row._mapping, "worker": row.worker_name, **large})


def count_rivals(conn: Connection, run: RunRow) -> int:
    """Count the runs among which somebody may have chosen this one: those of its project, metric and data.

    Deleted runs count, because somebody tried them; runs without a validation do not.
    """
    same_data = RunTable.spec["data"].as_string().is_not_distinct_from(run.spec["data"])
    same = [RunTable.monitor == run.monitor, same_data]
    rivals = [RunTable.project_pk == run.project_pk, or_(RunTable.validations > 0, RunTable.pk == run.pk)]
    return conn.execute(select(func.count()).where(*rivals, *same)).scalar_one()


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
    """Change the run's state and the columns that depend on it, write the event, and return the new row.

    Raises TransitionRefused for a change that no run may make, Conflict when the state has changed since it was read.
    """
    if not may_move(RunState(run.state), to):
        raise TransitionRefused(f"Run {run.id} is {run.state}: it cannot become {to.value}.", field="state")
    values = {"state": to.value, "updated_at": now, "stop_reason": reason and reason.value, "stop_message": message}
    values |= {"ended_at": now if to.is_final else None}
    values |= {"started_at": now} if to is RunState.RUNNING and run.started_at is None else {}
    values |= {"lease_digest": None, "lease_expires_at": None, "memory": None} if not to.is_held else {}
    values |= {"warning": None, "stalled_since": None} if to is not RunState.LEASED else {}
    values |= {"worker_id": None, "worker_name": None} if to is RunState.QUEUED else {}
    guarded = update(RunTable).where(RunTable.pk == run.pk, RunTable.state == run.state).values(**{**values, **changes})
    if conn.execute(guarded).rowcount != 1:
        raise Conflict(
            f"Run {run.id} has just changed its state.", hint=f"See `keepbest show {run.id}`, then try again."
        )
    return _announce_state(conn, run.pk, now)


def take_queued(conn: Connection, fits: ColumnElement[bool], *, now: datetime, **changes: Any) -> RunRow | None:
    """Lease the first queued run of the highest priority that fits, or return None.

    For each priority one statement finds its run at the front of the queue's index and reads no further. The outer
    condition on the state makes this safe on SQLite too, which ignores the inner lock.
    """
    values = {"state": RunState.LEASED.value, "attempt": RunTable.attempt + 1, "updated_at": now, **changes}
    values["ended_before"] = null()
    waiting = select(RunTable.priority).where(_QUEUED).distinct().order_by(RunTable.priority.desc())
    for priority in conn.execute(waiting).scalars().all():
        first = select(RunTable.pk).where(_QUEUED, RunTable.priority == priority, fits)
        first = first.order_by(*QUEUE_ORDER).limit(1)
        guarded = update(RunTable).where(
            RunTable.pk == first.with_for_update(skip_locked=True).scalar_subquery(), _QUEUED
        )
        pk = conn.execute(guarded.values(**values).returning(RunTable.pk)).scalar()
        if pk is not None:
            return _announce_state(conn, pk, now)
    return None


def patch_run(conn: Connection, run: RunRow, patch: contract.RunPatch, *, user: str, now: datetime) -> RunRow:
    """Change the run's name, notes, tags, color or priority; a field left out or null stays as it is.

    `run` was read with its lock, so that no other person's change of tags or notes is lost. Raises Conflict for
    another priority of a run that has ended, which is in no queue, and InvalidInput for too many tags or long notes.
    """
    changes = _settle(run, patch).model_dump(exclude_none=True)
    if not changes:
        return run
    if patch.priority is not None and RunState(run.state).is_final:
        hint = f"`keepbest resume {run.id}` puts it into the queue again."
        raise Conflict(f"Run {run.id} is {run.state}: it waits in no queue.", field="priority", hint=hint)
    conn.execute(update(RunTable).where(RunTable.pk == run.pk).values(**changes, updated_at=now))
    if "tags" in changes:
        entries.replace_tags(conn, run.pk, run.project_pk, changes["tags"])
    events.append(conn, "run.changed", run, changes, now)
    audit.record(conn, user, "run.change", run.id, now, changes)
    return get_by_pk(conn, run.pk)


def _settle(run: RunRow, patch: contract.RunPatch) -> contract.RunPatch:
    """Return the patch with the whole notes and tags in place of the changes to them."""
    fields = patch.model_dump(exclude_none=True, exclude={"more_notes", "tag_changes"})
    if patch.tag_changes is not None:
        fields["tags"] = change_tags(run.tags, patch.tag_changes)
    if patch.more_notes is not None:
        fields["notes"] = f"{run.notes}\n{patch.more_notes}" if run.notes else patch.more_notes
    return validate.request(contract.RunPatch, **fields)


def _refers(reference: str) -> ColumnElement[bool]:
    if not MIN_PREFIX <= len(reference) <= ID_LENGTH or set(reference) - set(ID_ALPHABET):
        raise NotFound(
            f"{reference!r} is not a run's id, nor the first {MIN_PREFIX} or more letters of one.",
            field="run",
            hint="`keepbest ls` lists the runs.",
        )
    # A range, not LIKE: both databases answer it from the index, whatever their collation.
    last = reference.ljust(ID_LENGTH, ID_ALPHABET[-1])
    return RunTable.id == reference if len(reference) == ID_LENGTH else RunTable.id.between(reference, last)


def _announce_state(conn: Connection, pk: int, now: datetime) -> RunRow:
    after = get_by_pk(conn, pk)
    events.append(conn, "run.state", after, show_run(after).model_dump(mode="json", include=_STATE_FIELDS), now)
    return after
