"""Resumes: queues a run again that has ended, or that waits at a rung.

The audit log keeps the run's end with its selection and test result, which the next end makes anew. Failed attempts
count from here, and late records of an earlier attempt no longer change the run.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, null

from keepbest.contract.checkpoints import Checkpoint
from keepbest.contract.overrides import Overrides, ResumeRequest
from keepbest.errors import Conflict, InvalidInput
from keepbest.status import RunState, StopReason
from tracker.store import endings, last_steps, resume_point, runs, selections
from tracker.store.access import audit
from tracker.store.runs import RunRow
from tracker.store.sweeps import rungs

#: Columns that described the run's end.
_FORGOTTEN: dict[str, Any] = {
    "error": null(),
    "test": null(),
    **selections.FORGOTTEN,
    "wait": None,
    "patience_left": None,
    "patience_unit": None,
}


def resume(conn: Connection, run: RunRow, request: ResumeRequest, *, user: str, now: datetime) -> RunRow:
    """Queue an ended run again, from its last durable checkpoint unless the request names another, past all its rungs.

    A run that waits at a rung is thereby promoted. Raises Conflict where the run is queued or trains, or nothing would
    be trained; InvalidInput and NotFound for a wrong request.
    """
    _check(run)
    if _was_paused(run) and request.overrides == Overrides() and not resume_point.names_place(request):
        audit.record(conn, user, "run.resume", run.id, now, {"step": run.step})
        return runs.move_run(conn, run, RunState.QUEUED, now=now)
    start = resume_point.choose(conn, run, request, "last")
    if start is not None and run.incomplete is not None:
        # A worker would fail at once, and the run's end would be lost.
        raise Conflict(
            f"The checkpoints of run {run.id} are incomplete, so that training cannot resume there: {run.incomplete}",
            field="run",
            hint=f"`keepbest restore {run.id} --partial` takes the rest; submitted anew it begins from the start.",
        )
    changes = _merge_changes(run, request, start)
    steps_at_most = changes.max_steps or run.max_steps or run.spec["max_steps"]
    resume_point.check_changes(request, run, start, steps_at_most)
    if run.stop_reason == StopReason.MAX_STEPS and changes.max_steps is None:
        raise last_steps.need_steps(run, steps_at_most)
    rungs.mark_promoted(conn, run, now)
    place = {"checkpoint": start and start.id, "step": start.step if start else 0}
    end = _describe_end(run)
    audit.record(conn, user, "run.resume", run.id, now, {**place, **end, **changes.model_dump(mode="json")})
    return runs.move_run(
        conn, run, RunState.QUEUED, now=now, ended_before=endings.remember(run),
        **_FORGOTTEN, attempts_before=run.attempt, max_steps=changes.max_steps or run.max_steps,
        **resume_point.start_columns(start.id if start else None, changes if start else None),
    )  # fmt: skip


def reopen(conn: Connection, run: RunRow, *, user: str, now: datetime) -> RunRow:
    """Queue an ended run again for its own script, which chooses itself where to go on."""
    audit.record(conn, user, "run.resume", run.id, now, _describe_end(run))
    return runs.move_run(conn, run, RunState.QUEUED, now=now, attempts_before=run.attempt, **_FORGOTTEN)


def _was_paused(run: RunRow) -> bool:
    """Whether a person paused the run: without changes its next attempt goes on as if it had not paused."""
    return bool(run.state == RunState.PAUSED and run.stop_reason == StopReason.USER)


def _check(run: RunRow) -> None:
    if run.source_kind == "external":
        hint = f'Resume it in the script: keepbest.init(id="{run.id}", resume="must").'
        raise InvalidInput(f"Its own script trains run {run.id}; no worker takes it.", field="run", hint=hint)
    if not RunState(run.state).is_final and run.state != RunState.PAUSED:
        hint = (
            f"See where it is: `keepbest watch {run.id}`; roll it back while it trains: `keepbest rollback {run.id}`."
        )
        raise Conflict(f"Run {run.id} is {run.state}: it has not ended.", field="run", hint=hint)


def _merge_changes(run: RunRow, request: ResumeRequest, start: Checkpoint | None) -> Overrides:
    """Return the request's overrides with those stored for this start, and fresh patience after a stopper's stop."""
    changes = request.overrides
    if start is not None and start.id == run.start_checkpoint:
        changes = resume_point.merge_changes(resume_point.read_changes(run), changes)
    if run.stop_reason is not None and StopReason(run.stop_reason).is_by_stopper:
        changes = changes.model_copy(update={"reset_patience": True})
    return changes


def _describe_end(run: RunRow) -> dict[str, object]:
    """Return the run's end for the audit log; the resume clears these columns."""
    ended_at = run.ended_at and run.ended_at.isoformat()
    known = {"state": run.state, "stop_reason": run.stop_reason, "stop_message": run.stop_message, "ended_at": ended_at}
    return {**known, "selection": run.selection, "test": run.test, "error": run.error and run.error.get("message")}
