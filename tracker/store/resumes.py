"""An ended run goes on, or one that waits at a rung: it queues again, for somebody wants more of it.

The end that it had stays in the audit log, its selection and its test result with it: those belong to the best of
then, and are made anew at its next end. Its attempts are counted from here, and nothing that an earlier one says late
moves the run any more.
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

#: What was true at the end of the run, and is not any more.
_FORGOTTEN: dict[str, Any] = {
    "error": null(),
    "test": null(),
    **selections.FORGOTTEN,
    "wait": None,
    "patience_left": None,
    "patience_unit": None,
}


def resume(conn: Connection, run: RunRow, request: ResumeRequest, *, user: str, now: datetime) -> RunRow:
    """Queue an ended run again, from its last durable checkpoint unless another is named, past all its rungs.

    One that waits at a rung is promoted by that. Raises Conflict where it is queued or trains or nothing would be
    trained, InvalidInput and NotFound for a wrong request.
    """
    _refuse(run)
    start = resume_point.choose(conn, run, request, "last")
    if start is not None and run.incomplete is not None:
        raise _need_whole(run)
    changes = _settle_changes(run, request, start)
    steps_at_most = changes.max_steps or run.max_steps or run.spec["max_steps"]
    resume_point.check_changes(request, run, start, steps_at_most)
    if run.stop_reason == StopReason.MAX_STEPS and changes.max_steps is None:
        raise last_steps.need_steps(run, steps_at_most)
    rungs.let_go(conn, run, now)
    place = {"checkpoint": start and start.id, "step": start.step if start else 0}
    audit.record(conn, user, "run.resume", run.id, now, {**place, **_end_of(run), **changes.model_dump(mode="json")})
    return runs.move_run(
        conn, run, RunState.QUEUED, now=now, ended_before=endings.remember(run),
        **_FORGOTTEN, attempts_before=run.attempt, max_steps=changes.max_steps or run.max_steps,
        **resume_point.start_columns(start.id if start else None, changes if start else None),
    )  # fmt: skip


def reopen(conn: Connection, run: RunRow, *, user: str, now: datetime) -> RunRow:
    """Queue an ended run again for its own script, which says by itself where it goes on."""
    audit.record(conn, user, "run.resume", run.id, now, _end_of(run))
    return runs.move_run(conn, run, RunState.QUEUED, now=now, attempts_before=run.attempt, **_FORGOTTEN)


def _refuse(run: RunRow) -> None:
    if run.source_kind == "external":
        hint = f'The script goes on with it by itself: keepbest.init(id="{run.id}", resume="must").'
        raise InvalidInput(f"Run {run.id} is trained by its own script; no worker takes it.", field="run", hint=hint)
    if not RunState(run.state).is_final and run.state != RunState.PAUSED:
        hint = (
            f"See where it is: `keepbest watch {run.id}`; take it back while it trains: `keepbest rollback {run.id}`."
        )
        raise Conflict(f"Run {run.id} is {run.state}: it has not ended.", field="run", hint=hint)


def _need_whole(run: RunRow) -> Conflict:
    """Return the error for a run whose checkpoints lack a part: it would fail at once, and lose the end that it had."""
    return Conflict(
        f"The checkpoints of run {run.id} are incomplete, so that nothing can go on from them: {run.incomplete}",
        field="run",
        hint=f"`keepbest restore {run.id} --partial` takes the rest; submitted anew it begins from the start.",
    )


def _settle_changes(run: RunRow, request: ResumeRequest, start: Checkpoint | None) -> Overrides:
    """Return what changes: as asked, with what an earlier beginning from there still owes, and with fresh patience."""
    changes = request.overrides
    if start is not None and start.id == run.start_checkpoint:
        changes = resume_point.merge_changes(resume_point.read_changes(run), changes)
    if run.stop_reason is not None and StopReason(run.stop_reason).is_stoppers:
        changes = changes.model_copy(update={"reset_patience": True})
    return changes


def _end_of(run: RunRow) -> dict[str, object]:
    """Return the end that the run had, which leaves its row now."""
    ended_at = run.ended_at and run.ended_at.isoformat()
    known = {"state": run.state, "stop_reason": run.stop_reason, "stop_message": run.stop_message, "ended_at": ended_at}
    return {**known, "selection": run.selection, "test": run.test, "error": run.error and run.error.get("message")}
