"""Chooses the checkpoint where training goes on, and the overrides there, for resumes, forks, claims and retention.

`runs.start_checkpoint` and `runs.start_overrides` say how a run's next attempt begins where it does not simply begin
at the newest checkpoint. A fork, the resume of an ended run, and a roll back whose overrides no checkpoint holds yet
set both. The first durable checkpoint after that holds the overrides itself and clears both: a multiple of the learning
rate applied twice would give another rate.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from sqlalchemy import Connection, null, select, update

from keepbest.contract.batches import CheckpointDurable, SegmentOpened
from keepbest.contract.checkpoints import Checkpoint, CheckpointState
from keepbest.contract.overrides import Overrides, ResumePoint
from keepbest.contract.runs import JUMPS
from keepbest.errors import InvalidInput, NotFound
from tracker.models import RunTable
from tracker.store import checkpoints, last_steps, segments
from tracker.store.runs import RunRow

_PLACES = ("to", "step", "checkpoint")


def find_resume(conn: Connection, run: RunRow) -> Checkpoint | None:
    """Return the checkpoint where the next attempt begins: a named one, else the furthest on the living path."""
    return _find_resume(run, list_durable(conn, run))


def choose(
    conn: Connection, run: RunRow, resume_point: ResumePoint, usual: Literal["best", "last"]
) -> Checkpoint | None:
    """Return the durable checkpoint that a request names; None where it names none and nothing is durable.

    Raises InvalidInput for more than one place, NotFound, with the steps there are, for a place without a checkpoint.
    """
    named = names_place(resume_point)
    durable = list_durable(conn, run)
    chosen = _find(run, resume_point, usual, durable)
    if chosen is None and (named or usual == "best"):
        raise _missing(run, resume_point, checkpoints.list_checkpoints(conn, run))
    return chosen


def names_place(resume_point: ResumePoint) -> bool:
    """Whether the request names a place; raises InvalidInput for more than one."""
    named = [name for name in _PLACES if getattr(resume_point, name) is not None]
    if len(named) > 1:
        raise InvalidInput("Name one place: best or last, a step, or a checkpoint.", field=named[1])
    return bool(named)


def check_changes(resume_point: ResumePoint, run: RunRow, start: Checkpoint | None, steps_at_most: int | None) -> None:
    """Raise InvalidInput for overrides that would train nothing, Conflict where the run needs a higher `max_steps`."""
    if resume_point.learning_rate is not None and float(resume_point.learning_rate.removesuffix("x")) == 0:
        raise InvalidInput(
            "A learning rate of 0 trains nothing.", field="learning_rate", hint="For example 3e-5 or 0.1x."
        )
    if resume_point.learning_rate is not None and start is None:
        hint = f"Submit a new run with that rate; `keepbest resume {run.id}` begins this one anew with its own."
        raise InvalidInput(
            f"Run {run.id} has no checkpoint at which its learning rate could change.", field="learning_rate", hint=hint
        )
    step = 0 if start is None else start.step
    if resume_point.max_steps is not None and resume_point.max_steps <= step:
        raise last_steps.need_more(step, resume_point.max_steps)
    if steps_at_most is not None and steps_at_most <= step:
        raise last_steps.need_steps(run, steps_at_most)


def list_durable(conn: Connection, run: RunRow) -> list[Checkpoint]:
    """Return the run's durable checkpoints, oldest first, without averages, where training cannot resume."""
    known = checkpoints.list_checkpoints(conn, run)
    return [
        checkpoint
        for checkpoint in known
        if checkpoint.state is CheckpointState.DURABLE and checkpoint.kind != checkpoints.MADE
    ]


# What changes where the next attempt begins


def start_columns(checkpoint: str | None, changes: Overrides | None) -> dict[str, Any]:
    """Return the two columns of a run's row for a start at this checkpoint; empty `changes` are null."""
    overrides = changes.model_dump(mode="json") if changes is not None and changes != Overrides() else null()
    return {"start_checkpoint": checkpoint, "start_overrides": overrides}


def read_changes(run: RunRow) -> Overrides | None:
    """Return the overrides with which the next attempt begins."""
    return Overrides.model_validate(run.start_overrides) if run.start_overrides else None


def merge_changes(before: Overrides | None, after: Overrides) -> Overrides:
    """Return both overrides as one; where both set a field, `after` wins."""
    if before is None:
        return after
    return Overrides(
        learning_rate=after.learning_rate or before.learning_rate,
        max_steps=after.max_steps or before.max_steps,
        reset_patience=after.reset_patience or before.reset_patience,
    )


def note_segment(conn: Connection, run_pk: int, opened: SegmentOpened) -> None:
    """Store a roll back's overrides until a checkpoint holds them; segments of other kinds change nothing here.

    A roll back to a checkpoint replaces the start stored before. A roll back to a snapshot in memory happened within
    the present attempt, so its overrides add to the attempt's start.
    """
    if opened.reason not in JUMPS:
        return
    row = conn.execute(select(RunTable.start_checkpoint, RunTable.start_overrides).where(RunTable.pk == run_pk)).one()
    changes = opened.overrides or Overrides()
    if opened.checkpoint is None:
        start = start_columns(row.start_checkpoint, merge_changes(read_changes(row), changes))
    else:
        start = start_columns(opened.checkpoint if changes != Overrides() else None, changes)
    if changes.max_steps is not None:
        start["max_steps"] = changes.max_steps
    conn.execute(update(RunTable).where(RunTable.pk == run_pk).values(**start))


def settle(conn: Connection, run: RunRow, attempt: int, durable: Sequence[CheckpointDurable]) -> None:
    """Clear the stored start once a checkpoint that `attempt` wrote holds its overrides.

    Only the newest attempt's checkpoints do, and none of an attempt before the last resume of the ended run.
    """
    if not durable or attempt != run.attempt or attempt <= run.attempts_before:
        return
    known = segments.list_segments(conn, run.pk)
    own = [segment for segment in known if segment.attempt == attempt]
    if not own:
        return
    began = max(segment.number for segment in own if segment.overrides or segment is own[0])
    path = segments.living_path(known)
    trained = [point for point in durable if point.kind != checkpoints.MADE]
    if any(point.segment >= began and not path.is_ghost(point.segment, point.step) for point in trained):
        conn.execute(update(RunTable).where(RunTable.pk == run.pk).values(**start_columns(None, None)))


def _find(run: RunRow, resume_point: ResumePoint, usual: str, durable: Sequence[Checkpoint]) -> Checkpoint | None:
    if resume_point.checkpoint is not None:
        return next((checkpoint for checkpoint in durable if checkpoint.id == resume_point.checkpoint), None)
    if resume_point.step is not None:
        there = [checkpoint for checkpoint in durable if checkpoint.step == resume_point.step]
        return next(
            (checkpoint for checkpoint in reversed(there) if not checkpoint.ghost), there[-1] if there else None
        )
    if (resume_point.to or usual) == "best":
        return next((checkpoint for checkpoint in durable if checkpoint.is_best), None)
    return _find_resume(run, durable)


def _find_resume(run: RunRow, durable: Sequence[Checkpoint]) -> Checkpoint | None:
    named = next((checkpoint for checkpoint in durable if checkpoint.id == run.start_checkpoint), None)
    # Of equal steps the newest, which comes last.
    return named or max(
        (checkpoint for checkpoint in reversed(durable) if not checkpoint.ghost),
        key=lambda checkpoint: checkpoint.step,
        default=None,
    )


def _missing(run: RunRow, resume_point: ResumePoint, known: Sequence[Checkpoint]) -> NotFound:
    gone = next((checkpoint for checkpoint in known if checkpoint.id == resume_point.checkpoint), None)
    if gone is not None and gone.kind == checkpoints.MADE:
        hint = f"Name a step, or the best; `keepbest restore {run.id}` gives the average."
        message = f"Training cannot go on from checkpoint {gone.id}: it is an average of others."
        return NotFound(message, field="checkpoint", hint=hint)
    if gone is not None:
        hint = f"If it is still in the trash, bring it back: `keepbest checkpoints {run.id} --pin {gone.id}`."
        return NotFound(f"Checkpoint {gone.id} of run {run.id} was dropped.", field="checkpoint", hint=hint)
    steps = ", ".join(str(checkpoint.step) for checkpoint in known if checkpoint.state is CheckpointState.DURABLE)
    there = f"there is step {steps}" if steps else "it has none yet"
    hint = f"`keepbest checkpoints {run.id}` lists them."
    return NotFound(f"Run {run.id} has no such checkpoint; {there}.", field="checkpoint", hint=hint)
