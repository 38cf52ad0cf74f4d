"""Retention in the tracker: drops checkpoints of runs that nobody holds, by the rule of the run's spec.

While somebody holds a run, its trainer drops checkpoints (`keepbest.checkpoint.upkeep.pruner`). Afterwards the tracker
does; it knows pins, the best, and the start of the next attempt. A row is marked `dropped` before its file moves: after
a kill in between, the next call finds the file by its row.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, func, select, true, update

from keepbest.checkpoint.upkeep import retention as ranking
from keepbest.contract.checkpoints import Checkpoint, CheckpointState
from keepbest.contract.policies import RetentionSpec
from keepbest.selection.selectors import build
from keepbest.status import RunState
from tracker.models import CheckpointTable, RunTable
from tracker.store import aliases, checkpoints, events, resume_point, runs
from tracker.store.runs import RunRow
from tracker.store.search.visibility import in_trash, visible

Reference = tuple[str, str]  # ids of a run and of a checkpoint

_HELD = [state.value for state in RunState if state.is_held]
_DURABLE = CheckpointState.DURABLE.value
_MODES: dict[str, ranking.Mode] = {"min": "min", "max": "max"}
#: Ids in one statement.
_AT_ONCE = 500


def find_candidates(conn: Connection) -> list[str]:
    """Return the ids of the runs that nobody holds and that have more than one checkpoint."""
    count = func.count(CheckpointTable.pk)
    free = select(RunTable.id).join(CheckpointTable, CheckpointTable.run_pk == RunTable.pk).where(
        CheckpointTable.state == _DURABLE, visible(None), RunTable.state.not_in(_HELD)
    )  # fmt: skip
    return list(conn.execute(free.group_by(RunTable.id).having(count > 1)).scalars())


def list_superseded(conn: Connection, run: RunRow) -> list[Checkpoint]:
    """Return the checkpoints that the run's retention does not keep; none while somebody holds the run."""
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
    goes_on = not state.is_final or run.start_checkpoint is not None  # a fork cancelled before its start may resume
    if goes_on and (resume := resume_point.find_resume(conn, run)) is not None:
        needed[resume.id] = "the next attempt goes on from it"
    verdicts = ranking.decide(
        durable,
        RetentionSpec.model_validate(run.spec["retention"]),
        mode=mode,
        pinned=[checkpoint.id for checkpoint in durable if checkpoint.is_kept],
        needed=needed,
    )
    going = {verdict.id for verdict in verdicts if not verdict.stays}
    return [checkpoint for checkpoint in durable if checkpoint.id in going]


def drop_superseded(conn: Connection, reference: str, now: datetime) -> int:
    """Mark the checkpoints as dropped that the run's retention does not keep; return how many."""
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
    gone = (CheckpointTable.state == CheckpointState.DROPPED.value) | in_trash(None)
    return [(row.run, row.id) for row in _read(conn, there, gone)]


def find_kept(conn: Connection, there: Sequence[Reference]) -> list[Reference]:
    """Return those of `there` that the database calls durable and whose run is not deleted."""
    kept = (CheckpointTable.state == _DURABLE) & visible(None)
    return [(row.run, row.id) for row in _read(conn, there, kept)]


def list_deleted(conn: Connection) -> list[Row[Any]]:
    """Return `run`, `id` and `location` of the checkpoints of deleted runs whose files are not known to be gone."""
    columns = (RunTable.id.label("run"), CheckpointTable.id, CheckpointTable.location)
    query = select(*columns).join(RunTable, CheckpointTable.run_pk == RunTable.pk)
    stored = (CheckpointTable.state == _DURABLE, CheckpointTable.is_gone.is_(False))
    return list(conn.execute(query.where(*stored, in_trash(None))))


def note_gone(conn: Connection, ids: Sequence[str]) -> None:
    """Note of deleted runs' checkpoints that their files are gone; of a run that has come back nothing is noted."""
    deleted = select(RunTable.pk).where(in_trash(None))
    for start in range(0, len(ids), _AT_ONCE):
        own = (CheckpointTable.id.in_(ids[start : start + _AT_ONCE]), CheckpointTable.run_pk.in_(deleted))
        conn.execute(update(CheckpointTable).where(*own).values(is_gone=True))


def find_pinned(conn: Connection, there: Sequence[Reference]) -> dict[Reference, bool]:
    """Return, for each of `there` that the database knows, whether a pin or an alias keeps it."""
    return {(row.run, row.id): row.is_pinned or row.is_named for row in _read(conn, there, true())}


def bring_back(conn: Connection, id: str, now: datetime) -> None:
    """Mark a dropped checkpoint as durable again."""
    checkpoint = checkpoints.get_checkpoint(conn, id)
    conn.execute(update(CheckpointTable).where(CheckpointTable.id == id).values(state=_DURABLE))
    events.append(conn, "run.checkpoint", runs.get_run(conn, checkpoint.run), {"id": id, "state": _DURABLE}, now)


def _read(conn: Connection, there: Sequence[Reference], condition: ColumnElement[bool]) -> Iterator[Row[Any]]:
    """Yield `id`, `run`, `is_pinned` and `is_named` of those of `there` that meet the condition."""
    is_named = aliases.CHECKPOINT_IS_NAMED.label("is_named")
    columns = (CheckpointTable.id, CheckpointTable.is_pinned, is_named, RunTable.id.label("run"))
    query: Any = select(*columns).join(RunTable, CheckpointTable.run_pk == RunTable.pk).where(condition)
    ids = [id for _, id in there]
    for start in range(0, len(ids), _AT_ONCE):
        part = ids[start : start + _AT_ONCE]
        yield from conn.execute(query.where(CheckpointTable.id.in_(part)))
