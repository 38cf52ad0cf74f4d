"""Reported runs: made, found, begun again and ended by requests. Nobody holds a lease on them.

A reported run that was silent for a day counts as lost, as the run of a script that works offline does; its next word
brings it back.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import JSON, Connection, bindparam, insert, select, update

from keepbest.contract.base import ID_ALPHABET, ID_LENGTH
from keepbest.contract.names import to_name
from keepbest.contract.policies import PolicySpec
from keepbest.contract.runs import ExternalSource, RunRequest
from keepbest.errors import Conflict, NotFound
from keepbest.status import RunState, StopReason
from keepbest.stopping import DEFAULT_STOPPER, parse
from tracker.models import ProjectTable, ReportedRunTable, RunTable, SegmentTable
from tracker.store import commands, events, leases, resumes, rules, run_spec, runs, submissions
from tracker.store.runs import RunRow
from tracker.store.search.visibility import View

SILENCE = timedelta(seconds=leases.OFFLINE_SECONDS)
_ENDS: Mapping[RunState, StopReason | None] = {
    RunState.FINISHED: None,
    RunState.FAILED: StopReason.ERROR,
    RunState.CANCELLED: StopReason.USER,
}


def create_run(
    conn: Connection, project: Any, name: str | None, *, started_at: datetime, user: str, now: datetime
) -> RunRow:
    """Make a running run in a project, whose row it takes; without a usable name it gets one with its number."""
    request = RunRequest(project=project.name, name=to_name(name or "") or None, source=ExternalSource())
    begun: dict[str, Any] = {"started_at": started_at, "heard_at": now, "lease_expires_at": now + SILENCE}
    run = add_run(conn, project, request, RunState.RUNNING, user=user, now=now, **begun)
    submissions.announce(conn, run, "run.submit", now)
    return run


def add_run(
    conn: Connection,
    project: Any,
    request: RunRequest,
    state: RunState,
    *,
    user: str,
    now: datetime,
    is_imported: bool = False,
    **begun: Any,
) -> RunRow:
    """Make a run that a stopper in the shadow judges, with its first segment; `begun` are further columns."""
    stopper = rules.find_stopper(conn, project.name) or PolicySpec.model_validate(parse(DEFAULT_STOPPER))
    shadow = PolicySpec(name="shadow", policies=[stopper])
    spec = run_spec.settle(request.model_copy(update={"stopper": shadow}), {})
    run = submissions.create(
        conn, project, spec, request.name, state, user=user, now=now, **{"attempt": 1, "segment": 0, **begun}
    )
    conn.execute(insert(ReportedRunTable).values(run_pk=run.pk, is_imported=is_imported))
    opened = {"reason": "start", "start_step": 0, "attempt": 1, "opened_at": run.started_at or now}
    conn.execute(insert(SegmentTable).values(run_pk=run.pk, number=0, parent=None, **opened))
    return run


def find_run(conn: Connection, id: str, *, view: View = "all", lock: bool = False) -> RunRow:
    """Return the run with this whole id, without its documents; `is_reported` says how it reports.

    `lock` locks its row until the transaction ends. Raises NotFound; a deleted run is there too, unless `view` is
    `active`.
    """
    row = conn.execute(_FIND_LOCKED if lock else _FIND, {"run": id}).one_or_none() if _is_id(id) else None
    if row is None or (view == "active" and row.deleted_at is not None):
        raise NotFound(f"Run with id={id} not found.", field="run_id")
    return row


def get_reporting(conn: Connection, id: str) -> RunRow:
    """Return a run that takes values and parameters by requests; raises Conflict for another, or a deleted one."""
    row = find_run(conn, id, lock=True)
    if row.deleted_at is not None:
        message = f"The run {id} must be in the 'active' state. Current state is deleted."
        raise Conflict(message, field="run_id", hint=f"`keepbest rm {id} --undo` brings it back.")
    if not row.is_reported:
        message = f"keepbest trains run {id} itself, or its script reports in keepbest's own way."
        raise Conflict(message, field="run_id", hint="MLflow may read it and set its tags; its values come from there.")
    return row


def set_state(
    conn: Connection,
    run: RunRow,
    to: RunState,
    *,
    ended_at: datetime | None,
    user: str,
    now: datetime,
    obeyed: tuple[StopReason, str] | None = None,
) -> RunRow:
    """Move a reported run to the state that its script tells; to the state that it has, only its end may change.

    `obeyed` is with which reason and message its script ended it, because it was told to.
    """
    if run.state == to.value:
        if to.is_final and ended_at is not None:
            conn.execute(update(RunTable).where(RunTable.pk == run.pk).values(ended_at=ended_at))
        return runs.get_by_pk(conn, run.pk)
    if RunState(run.state).is_final:
        if to is RunState.RUNNING:
            conn.execute(update(ReportedRunTable).where(ReportedRunTable.run_pk == run.pk).values(is_resumed=True))
        run = resumes.reopen(conn, runs.get_by_pk(conn, run.pk), user=user, now=now)
    if to is RunState.RUNNING:
        return _begin_again(conn, run, now)
    if to is RunState.QUEUED:
        return run if run.state == to.value else runs.move_run(conn, run, to, now=now)
    return _end(conn, run, to, ended_at or now, now, obeyed)


def cancel_running(conn: Connection, project_pk: int, *, user: str, now: datetime) -> None:
    """Cancel the reported runs of a project that have not ended, because the project is deleted."""
    living = RunTable.state.in_([state.value for state in RunState if not state.is_final])
    own = select(RunTable.id).join(ReportedRunTable, ReportedRunTable.run_pk == RunTable.pk)
    for id in conn.execute(own.where(RunTable.project_pk == project_pk, living)).scalars().all():
        set_state(conn, find_run(conn, id, lock=True), RunState.CANCELLED, ended_at=None, user=user, now=now)


def revive(conn: Connection, run: RunRow, *, user: str, now: datetime) -> RunRow:
    """Bring back a run that counted as lost, because its script has just said something."""
    if run.state != RunState.FAILED or run.stop_reason != StopReason.WORKER_LOST:
        return run
    _begin_again(conn, resumes.reopen(conn, runs.get_by_pk(conn, run.pk), user=user, now=now), now)
    return find_run(conn, run.id)


def hear(conn: Connection, run: RunRow, *, user: str, now: datetime) -> RunRow:
    """Note that the script of a run has said something but a value; a run that counted as lost comes back.

    A run that does not report by requests stays as it is. Returns the run as it is now.
    """
    if not run.is_reported:
        return run
    run = revive(conn, run, user=user, now=now)
    if RunState(run.state).is_held:
        heard = {"heard_at": now, "lease_expires_at": now + SILENCE}
        conn.execute(update(RunTable).where(RunTable.pk == run.pk).values(**heard))
    return run


def rename(conn: Connection, run: RunRow, name: str, now: datetime) -> None:
    """Give a run the nearest name that keepbest takes; without any letter of it the name stays."""
    own = to_name(name)
    if own and own != run.name:
        conn.execute(update(RunTable).where(RunTable.pk == run.pk).values(name=own, updated_at=now))
        events.append(conn, "run.changed", run, {"name": own}, now)


def watch(conn: Connection, run: RunRow, metric: str) -> None:
    """Have the values of this metric be the run's validations, unless those of another are so already."""
    own = update(ReportedRunTable).where(ReportedRunTable.run_pk == run.pk, ReportedRunTable.monitor.is_(None))
    conn.execute(own.values(wanted=metric[:200]))


def _begin_again(conn: Connection, run: RunRow, now: datetime) -> RunRow:
    held = {"lease_expires_at": now + SILENCE, "attempt": run.attempt + 1}
    run = runs.move_run(conn, run, RunState.LEASED, now=now, **held)
    return runs.move_run(conn, run, RunState.RUNNING, now=now)


def _end(
    conn: Connection,
    run: RunRow,
    to: RunState,
    ended_at: datetime,
    now: datetime,
    obeyed: tuple[StopReason, str] | None,
) -> RunRow:
    commands.expire_commands(conn, run, now)
    error = {"code": "error", "message": "The script said that the run failed.", "hint": None, "traceback": None}
    changes: dict[str, Any] = {"error": error} if to is RunState.FAILED else {}
    reason, message = obeyed or (_ENDS[to], None)
    return runs.move_run(conn, run, to, now=now, reason=reason, message=message, ended_at=ended_at, **changes)


def _is_id(text: str) -> bool:
    return len(text) == ID_LENGTH and not set(text) - set(ID_ALPHABET)


def _find() -> Any:
    """Build the statement of each request once: building one costs more than running it."""
    light = [column for column in RunTable.__table__.columns if not isinstance(column.type, JSON)]
    own = ReportedRunTable
    reported = (
        own.run_pk.is_not(None).label("is_reported"),
        own.wanted,
        own.monitor.label("judged_key"),
        own.is_resumed,
        own.is_imported,
    )
    query = select(*light, ProjectTable.name.label("project"), *reported)
    joined = query.join(ProjectTable, RunTable.project_pk == ProjectTable.pk).outerjoin(own, own.run_pk == RunTable.pk)
    return joined.where(RunTable.id == bindparam("run"))


_FIND = _find()
_FIND_LOCKED = _FIND.with_for_update(of=RunTable.__table__)
