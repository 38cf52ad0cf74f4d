"""How a run's next attempt begins, where that is not "at its newest checkpoint, as it is".

`runs.start_checkpoint` and `runs.start_overrides` say it: a fork sets them, somebody who has an ended run go on, and a
roll back with changes that no checkpoint holds yet. As soon as a checkpoint of that beginning is durable it holds the
changes itself, and they are cleared: made once more, a multiple of the learning rate would be another one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, null, select, update

from keepbest.contract.batches import CheckpointDurable, SegmentOpened
from keepbest.contract.overrides import Overrides
from tracker.models import RunTable
from tracker.store import checkpoints, segments
from tracker.store.runs import RunRow


def columns(checkpoint: str | None, changes: Overrides | None) -> dict[str, Any]:
    """Return what a run's row holds for this beginning; nothing changed is no overrides."""
    said = changes.model_dump(mode="json") if changes is not None and changes != Overrides() else null()
    return {"start_checkpoint": checkpoint, "start_overrides": said}


def read(run: RunRow) -> Overrides | None:
    """Return what changes where the next attempt begins."""
    return Overrides.model_validate(run.start_overrides) if run.start_overrides else None


def merge(before: Overrides | None, after: Overrides) -> Overrides:
    """Return both changes as one, the later word counting."""
    if before is None:
        return after
    return Overrides(
        learning_rate=after.learning_rate or before.learning_rate,
        max_steps=after.max_steps or before.max_steps,
        reset_patience=after.reset_patience or before.reset_patience,
    )


def note_segment(conn: Connection, run_pk: int, opened: SegmentOpened) -> None:
    """Remember what a roll back changed, until a checkpoint holds it; other segments begin as they were told to.

    One to a checkpoint takes the place of any beginning before. One to a state that is in memory only was made in
    this very attempt, so it adds to how that began.
    """
    if opened.reason != "roll_back":
        return
    row = conn.execute(select(RunTable.start_checkpoint, RunTable.start_overrides).where(RunTable.pk == run_pk)).one()
    changes = opened.overrides or Overrides()
    if opened.checkpoint is None:
        start = columns(row.start_checkpoint, merge(read(row), changes))
    else:
        start = columns(opened.checkpoint if changes != Overrides() else None, changes)
    if changes.max_steps is not None:
        start["max_steps"] = changes.max_steps
    conn.execute(update(RunTable).where(RunTable.pk == run_pk).values(**start))


def settle(conn: Connection, run: RunRow, attempt: int, durable: Sequence[CheckpointDurable]) -> None:
    """Clear the beginning if one of these checkpoints, which `attempt` wrote, holds it.

    Only the newest attempt's do, and none from before somebody had the ended run go on.
    """
    if not durable or attempt != run.attempt or attempt <= run.attempts_before:
        return
    known = segments.list_segments(conn, run.pk)
    own = [one for one in known if one.attempt == attempt]
    if not own:
        return
    began = max(one.number for one in own if one.overrides or one is own[0])
    path = segments.living_path(known)
    trained = [point for point in durable if point.kind != checkpoints.MADE]
    if any(point.segment >= began and not path.is_ghost(point.segment, point.step) for point in trained):
        conn.execute(update(RunTable).where(RunTable.pk == run.pk).values(**columns(None, None)))
