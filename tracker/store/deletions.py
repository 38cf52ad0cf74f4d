"""Deletes runs and brings them back. A deleted run leaves every list; its rows stay, its files go to the trash."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, select, update

from keepbest.contract import checkpoints as contract
from keepbest.contract.checkpoints import CheckpointState
from keepbest.errors import Conflict
from keepbest.status import RunState, StopReason
from tracker.models import CheckpointTable, RunTable
from tracker.store import aliases, checkpoints, events, projects, resume_point, runs, shares
from tracker.store.access import audit
from tracker.store.registry import versions
from tracker.store.runs import RunRow


def delete_run(conn: Connection, run: RunRow, *, user: str, now: datetime) -> None:
    """Delete a run; a queued run is cancelled first. Raises Conflict while somebody, a pin or an alias holds it."""
    if RunState(run.state).is_held:
        hint = f"Cancel it first: `keepbest cancel {run.id}`."
        raise Conflict(f"Run {run.id} is {run.state}: a worker holds it.", field="run", hint=hint)
    check_pins(conn, RunTable.pk == run.pk)
    if not RunState(run.state).is_final:
        run = runs.move_run(conn, run, RunState.CANCELLED, now=now, reason=StopReason.USER)
    conn.execute(update(RunTable).where(RunTable.pk == run.pk).values(deleted_at=now, updated_at=now))
    shares.end_for_runs(conn, RunTable.pk == run.pk, now)
    events.append(conn, "run.deleted", run, {"id": run.id}, now)
    audit.record(conn, user, "run.delete", run.id, now, {"name": run.name, "project": run.project})


def list_checkpoints(conn: Connection, run: str) -> list[contract.Checkpoint]:
    """Return the checkpoints that a deleted run had when it was deleted."""
    return resume_point.list_durable(conn, runs.get_deleted(conn, run))


def undelete_run(
    conn: Connection, run: RunRow, gone: Sequence[str], *, user: str, now: datetime, brings_project: bool = True
) -> RunRow:
    """Bring a deleted run back into the lists, without the checkpoints in `gone`, whose files are lost.

    Its project comes back with it, unless the caller brings the project back after the last of its runs.
    """
    dropped = update(CheckpointTable).where(CheckpointTable.run_pk == run.pk, CheckpointTable.id.in_(gone))
    conn.execute(dropped.values(state=CheckpointState.DROPPED.value))
    conn.execute(update(CheckpointTable).where(CheckpointTable.run_pk == run.pk).values(is_gone=False))
    values = {"deleted_at": None, "updated_at": now}
    if run.best_checkpoint in gone:
        best = checkpoints.find_best(conn, run.pk, run.mode)
        values |= {"best_checkpoint": best and best.id, "best_checkpoint_value": best and best.value}
    conn.execute(update(RunTable).where(RunTable.pk == run.pk).values(**values))
    if brings_project:
        projects.bring_back(conn, run.project_pk)
    row = runs.get_by_pk(conn, run.pk)
    events.append(conn, "run.created", row, runs.show_run(row).model_dump(mode="json"), now)
    audit.record(conn, user, "run.undelete", run.id, now, {"gone": list(gone)})
    return row


def check_pins(conn: Connection, is_meant: ColumnElement[bool]) -> None:
    """Raise Conflict where a pin, an alias or the registry holds something of a run that meets the condition."""
    aliases.check_aliases(conn, is_meant)
    versions.check_versions(conn, is_meant)
    pinned = select(CheckpointTable.id, RunTable.id.label("run")).join(RunTable, CheckpointTable.run_pk == RunTable.pk)
    row = conn.execute(pinned.where(is_meant, CheckpointTable.is_pinned).limit(1)).first()
    if row is not None:
        hint = f"Unpin it first: `keepbest checkpoints {row.run} --unpin {row.id}`."
        raise Conflict(f"Checkpoint {row.id} of run {row.run} is pinned.", field="run", hint=hint)
