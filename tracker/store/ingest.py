"""Numbered batches: everything a trainer says, taken exactly once, in one transaction a batch.

The run's row is locked first, so that batches of one run go one after another. What the token is worth decides how
much of a batch counts: under the present lease all of it; under one that has ended only what was measured while it
lasted, as history: no state, no best, no commands. (A batch may still withdraw a best, however late it comes.)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import JSON, Connection, Select, and_, bindparam, exists, select

from keepbest.contract.base import Id
from keepbest.contract.batches import Batch, BatchReceipt, SegmentOpened
from keepbest.errors import BatchGap
from keepbest.status import CommandState, RunState
from tracker import db
from tracker.models import CommandTable, ProjectTable, RunTable, WriterTable
from tracker.store import (
    checkpoints,
    commands,
    leases,
    logs,
    panels,
    resume_point,
    run_summary,
    runs,
    segments,
    validations,
)
from tracker.store.leases import LeaseValidity
from tracker.store.metrics import metrics
from tracker.store.metrics.metrics import Column
from tracker.store.runs import RunRow

_BEST = ("best_step", "best_value", "best_checkpoint")


@dataclass(frozen=True, slots=True)
class Delivery:
    """A batch as it came off the wire: columns as arrays, all else as `records` (None where there is nothing else)."""

    writer: Id
    number: int
    columns: Sequence[Column]
    records: Batch | None


def take(conn: Connection, reference: str, token: str, came: Delivery, now: datetime) -> BatchReceipt:
    """Take a batch and say what is still to be obeyed.

    Raises BatchGap when the one before it has not come yet, LeaseLost when the token never was this run's.
    """
    run = _get_run(conn, reference, came.writer)
    standing = leases.judge(conn, run, token, now)
    last = run.last_number or 0
    if came.number > last + 1:
        raise BatchGap(
            f"Batch {came.number} of writer {came.writer} arrived before batch {last + 1}.",
            field="number",
            hint=f"Send batch {last + 1} next.",
        )
    is_new = came.number == last + 1
    changed = _take_new(conn, standing, came, now) if is_new else {}
    obeys = run.has_commands or bool(came.records and came.records.commands)
    receipt = BatchReceipt(accepted=is_new, last_number=max(last, came.number))
    return _answer(conn, standing, changed, receipt, obeys, moves=_moves_departure(came.records))


def _take_new(conn: Connection, standing: LeaseValidity, came: Delivery, now: datetime) -> dict[str, Any]:
    _count_up(conn, standing.run.pk, came, now)
    if standing.is_current:
        return _take_all(conn, standing, came, now)
    _take_history(conn, standing, came, now)
    return {}


def _take_all(conn: Connection, standing: LeaseValidity, came: Delivery, now: datetime) -> dict[str, Any]:
    run, records = standing.run, came.records
    metrics.add_columns(conn, run.pk, came.columns, newest=True)
    if records is not None:
        for opened in records.segments:
            _open_segment(conn, run, opened, standing)
            run = runs.get_by_pk(conn, run.pk)
        if run.state == RunState.LEASED and run.source_kind == "command":  # it may never open a segment
            run = runs.move_run(conn, run, RunState.RUNNING, now=now)
        validations.add_validations(conn, run.pk, records.validations)
        validations.withdraw_validations(conn, run.pk, records.withdrawn)
        new = checkpoints.add_checkpoints(conn, run.pk, records.checkpoints)
        records = records.model_copy(update={"checkpoints": new})
        resume_point.settle(conn, run, standing.attempt, new)
        checkpoints.drop_checkpoints(conn, run.pk, records.dropped)
        for update in records.commands:
            commands.update_command(conn, run, update, now)
        logs.add_pieces(conn, run.pk, standing.attempt, records.logs)
        panels.add_panels(conn, run.pk, records.panels)
    return run_summary.update_run(conn, run, came.columns, records, now)


def _take_history(conn: Connection, standing: LeaseValidity, came: Delivery, now: datetime) -> None:
    """Keep what was measured while the lease lasted, in the segments it opened."""
    run, records = standing.run, came.records
    if records is not None:
        for opened in records.segments:
            _open_segment(conn, run, opened, standing)
    own = segments.opened_by(conn, run.pk, standing.attempt)
    end = standing.ended_at
    if end is None:
        return
    kept = [_until(column, end) for column in came.columns if column.segment in own]
    metrics.add_columns(conn, run.pk, [column for column in kept if len(column.points)], newest=False)
    if records is not None:
        measured = [
            validation for validation in records.validations if validation.segment in own and validation.at <= end
        ]
        written = [point for point in records.checkpoints if point.segment in own and point.at <= end]
        validations.add_validations(conn, run.pk, measured)
        withdrawn = [answer for answer in records.withdrawn if answer.segment in own]
        validations.withdraw_validations(conn, run.pk, withdrawn)
        checkpoints.add_checkpoints(conn, run.pk, written)
        resume_point.settle(conn, run, standing.attempt, written)
        checkpoints.drop_checkpoints(conn, run.pk, records.dropped)
        logs.add_pieces(conn, run.pk, standing.attempt, records.logs)
        panels.add_panels(conn, run.pk, [panel for panel in records.panels if panel.segment in own and panel.at <= end])
        run_summary.take_back(conn, run, withdrawn, is_last=standing.attempt == run.attempt, now=now)


def _open_segment(conn: Connection, run: RunRow, opened: SegmentOpened, standing: LeaseValidity) -> None:
    if segments.open_segment(conn, run, opened, standing):
        resume_point.note_segment(conn, run.pk, opened)


def _until(column: Column, end: datetime) -> Column:
    points = column.points
    return replace(column, points=points.take(points.times <= end.timestamp()))


def _get_run(conn: Connection, reference: str, writer: str) -> RunRow:
    """Return the run, locked, with the writer's `last_number` and whether it `has_commands`; without its documents."""
    wanted = {"run": reference, "writer": writer}
    row = conn.execute(_FIND, wanted).one_or_none()
    if row is None:
        wanted["run"] = runs.get_run(conn, reference).id
        row = conn.execute(_FIND, wanted).one()
    return row


def _count_up(conn: Connection, run_pk: int, came: Delivery, now: datetime) -> None:
    row = {"run_pk": run_pk, "id": came.writer, "last_number": came.number, "heard_at": now}
    conn.execute(_counting(conn.dialect.name), row)


def _moves_departure(records: Batch | None) -> bool:
    """Whether another checkpoint may be the one to go on from now."""
    return records is not None and bool(records.checkpoints or records.dropped or records.segments)


def _answer(
    conn: Connection,
    standing: LeaseValidity,
    changed: dict[str, Any],
    receipt: BatchReceipt,
    obeys: bool,
    *,
    moves: bool,
) -> BatchReceipt:
    if not standing.is_current:
        return receipt
    best = {name: changed.get(name, getattr(standing.run, name)) for name in _BEST}
    still = commands.open_commands(conn, standing.run.pk) if obeys else []
    resume = resume_point.find_resume(conn, runs.get_by_pk(conn, standing.run.pk)) if moves else None
    return receipt.model_copy(update={**best, "commands": still, "resume_checkpoint": resume and resume.id})


# Statements of the hot path, built once: building one costs more than running it.


def _find() -> Select[Any]:
    light = [column for column in RunTable.__table__.columns if not isinstance(column.type, JSON)]
    open_states = [state.value for state in CommandState if state.is_open]
    has_commands = (
        exists().where(CommandTable.run_pk == RunTable.pk, CommandTable.state.in_(open_states)).label("has_commands")
    )
    own = and_(WriterTable.run_pk == RunTable.pk, WriterTable.id == bindparam("writer"))
    return (
        select(*light, ProjectTable.name.label("project"), WriterTable.last_number, has_commands)
        .join(ProjectTable, RunTable.project_pk == ProjectTable.pk)
        .outerjoin(WriterTable, own)
        .where(RunTable.id == bindparam("run"), RunTable.deleted_at.is_(None))
        .with_for_update(of=RunTable.__table__)
    )


_FIND = _find()


@cache
def _counting(dialect: str) -> Any:
    statement = db.insert(dialect, WriterTable)
    changes = {"last_number": statement.excluded.last_number, "heard_at": statement.excluded.heard_at}
    return statement.on_conflict_do_update(index_elements=["run_pk", "id"], set_=changes)
