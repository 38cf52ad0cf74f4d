"""Retention as the tracker sees it: checkpoints of runs that nobody holds, by the rule that their spec names.

While somebody holds a run, its trainer drops (`keepbest.checkpoint.upkeep.pruner`); later the tracker does, which knows
pins, the best, and where the next attempt goes on. A row says `dropped` before a file moves: whatever is killed in
between, the next call finds the file by its row.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from sqlalchemy import Connection, func, select, update

from keepbest.checkpoint.upkeep import retention as ranking
from keepbest.contract.checkpoints import Checkpoint, CheckpointState
from keepbest.contract.policies import RetentionSpec
from keepbest.selection.selectors import build
from keepbest.status import RunState
from tracker.models import CheckpointTable, RunTable
from tracker.store import checkpoints, events, resume_point, runs
from tracker.store.runs import RunRow

Reference = tuple[str, str]  # ids of a run and of a checkpoint

_HELD = [state.value for state in RunState if state.is_held]
_DURABLE = CheckpointState.DURABLE.value
_MODES: dict[str, ranking.Mode] = {"min": "min", "max": "max"}
#: Ids asked for in one statement.
_AT_ONCE = 500


def find_candidates(conn: Connection) -> list[str]:
    """Return the ids of the runs that nobody holds and that have more than one checkpoint."""
    count = func.count(CheckpointTable.pk)
    free = select(RunTable.id).join(CheckpointTable, CheckpointTable.run_pk == RunTable.pk).where(
        CheckpointTable.state == _DURABLE, RunTable.deleted_at.is_(None), RunTable.state.not_in(_HELD)
    )  # fmt: skip
    return list(conn.execute(free.group_by(RunTable.id).having(count > 1)).scalars())


def list_superseded(conn: Connection, run: RunRow) -> list[Checkpoint]:
    """Return the checkpoints of a run that its retention lets go; none while somebody holds the run."""
    state = RunState(run.state)
    if state.is_held:
        return []
    durable = [
        checkpoint
        for checkpoint in checkpoints.list_checkpoints(conn, run)
        if checkpoint.state is CheckpointState.DURABLE
    ]
    selector, mode = build(run.spec.get("selector") or {"name": "best"}), _MODES.get(run.mode)
    needed = ranking.find_eligible(durable, selector, mode)
    needed |= {checkpoint.id: "the run's best" for checkpoint in durable if checkpoint.is_best}
    needed |= {checkpoint.id: "the run ended with it" for checkpoint in durable if checkpoint.is_selected}
    goes_on = not state.is_final or run.start_checkpoint is not None  # cancelled before it began there, it may yet
    if goes_on and (resume := resume_point.find_resume(conn, run)) is not None:
        needed[resume.id] = "the next attempt goes on from it"
    verdicts = ranking.decide(
        durable,
        RetentionSpec.model_validate(run.spec["retention"]),
        mode=mode,
        pinned=[checkpoint.id for checkpoint in durable if checkpoint.is_pinned],
        needed=needed,
    )
    going = {verdict.id for verdict in verdicts if not verdict.stays}
    return [checkpoint for checkpoint in durable if checkpoint.id in going]


def drop_superseded(conn: Connection, reference: str, now: datetime) -> int:
    """Write down that what retention lets go is dropped; return how many."""
    run = runs.get_run(conn, reference, lock=True)
    going = [checkpoint.id for checkpoint in list_superseded(conn, run)]
    if going:
        conn.execute(
            update(CheckpointTable).where(CheckpointTable.id.in_(going)).values(state=CheckpointState.DROPPED.value)
        )
    for id in going:
        events.append(conn, "run.checkpoint", run, {"id": id, "state": CheckpointState.DROPPED.value}, now)
    return len(going)


def find_dropped(conn: Connection, there: Sequence[Reference]) -> list[Reference]:
    """Return those of `there` that were dropped, or whose run was deleted."""
    gone = (CheckpointTable.state == CheckpointState.DROPPED.value) | RunTable.deleted_at.is_not(None)
    return [
        (row.run, row.id)
        for ids in _parts([id for _, id in there])
        for row in conn.execute(
            select(CheckpointTable.id, RunTable.id.label("run"))
            .join(RunTable, CheckpointTable.run_pk == RunTable.pk)
            .where(CheckpointTable.id.in_(ids), gone)
        )
    ]


def find_kept(conn: Connection, there: Sequence[Reference]) -> list[Reference]:
    """Return those of `there` that are on disk as far as the database knows, of runs that are not deleted."""
    return [
        (row.run, row.id)
        for ids in _parts([id for _, id in there])
        for row in conn.execute(
            select(CheckpointTable.id, RunTable.id.label("run"))
            .join(RunTable, CheckpointTable.run_pk == RunTable.pk)
            .where(CheckpointTable.id.in_(ids), CheckpointTable.state == _DURABLE, RunTable.deleted_at.is_(None))
        )
    ]


def find_pinned(conn: Connection, there: Sequence[Reference]) -> dict[Reference, bool]:
    """Return, of those of `there` that the tracker knows, whether each is pinned."""
    return {
        (row.run, row.id): row.is_pinned
        for ids in _parts([id for _, id in there])
        for row in conn.execute(
            select(CheckpointTable.id, CheckpointTable.is_pinned, RunTable.id.label("run"))
            .join(RunTable, CheckpointTable.run_pk == RunTable.pk)
            .where(CheckpointTable.id.in_(ids))
        )
    }


def bring_back(conn: Connection, id: str, now: datetime) -> None:
    """Write down that a dropped checkpoint is on disk again."""
    checkpoint = checkpoints.get_checkpoint(conn, id)
    conn.execute(update(CheckpointTable).where(CheckpointTable.id == id).values(state=_DURABLE))
    events.append(conn, "run.checkpoint", runs.get_run(conn, checkpoint.run), {"id": id, "state": _DURABLE}, now)


def _parts(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    return (ids[start : start + _AT_ONCE] for start in range(0, len(ids), _AT_ONCE))
