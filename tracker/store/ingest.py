"""Takes numbered batches of a trainer's records, each exactly once and in one transaction.

`take` locks the run's row first, so that batches of one run go one after another. The lease decides how much of a
batch counts. Under the present lease all of it counts. Under a lease that has ended, only the records count that were
made while it lasted, and only as history: they change no state, best or command. (But a late batch may still withdraw a
best.)
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
from tracker.store.search.visibility import visible

_BEST = ("best_step", "best_value", "best_checkpoint")


@dataclass(frozen=True, slots=True)
class Delivery:
    """A batch as read from a request: columns as arrays, everything else as `records` (None where there is none)."""

    writer: Id
    number: int
    columns: Sequence[Column]
    records: Batch | None


def take(conn: Connection, reference: str, token: str, delivery: Delivery, now: datetime) -> BatchReceipt:
    """Take a batch; the receipt holds the run's open commands.

    Raises BatchGap when the batch before it is missing, LeaseLost when the token never belonged to this run.
    """
    run = _get_run(conn, reference, delivery.writer)
    validity = leases.judge(conn, run, token, now)
    last = run.last_number or 0
    if delivery.number > last + 1:
        raise BatchGap(
            f"Batch {delivery.number} of writer {delivery.writer} arrived before batch {last + 1}.",
            field="number",
            hint=f"Send batch {last + 1} next.",
        )
    is_new = delivery.number == last + 1
    changed = _take_new(conn, validity, delivery, now) if is_new else {}
    receipt = BatchReceipt(accepted=is_new, last_number=max(last, delivery.number))
    if not validity.is_current:
        return receipt
    return _complete(conn, run.has_commands, validity.run, delivery.records, changed, receipt)


def _take_new(conn: Connection, validity: LeaseValidity, delivery: Delivery, now: datetime) -> dict[str, Any]:
    row = {"run_pk": validity.run.pk, "id": delivery.writer, "last_number": delivery.number, "heard_at": now}
    conn.execute(_counting(conn.dialect.name), row)
    if validity.is_current:
        return _take_all(conn, validity, delivery, now)
    _take_history(conn, validity, delivery, now)
    return {}


def _take_all(conn: Connection, validity: LeaseValidity, delivery: Delivery, now: datetime) -> dict[str, Any]:
    run, records = validity.run, delivery.records
    metrics.add_columns(conn, run, delivery.columns, newest=True)
    if records is not None:
        for opened in records.segments:
            _open_segment(conn, run, opened, validity)
            run = runs.get_by_pk(conn, run.pk)
        if run.state == RunState.LEASED and run.source_kind == "command":  # a command may never open a segment
            run = runs.move_run(conn, run, RunState.RUNNING, now=now)
        validations.add_validations(conn, run.pk, records.validations)
        validations.withdraw_validations(conn, run.pk, records.withdrawn)
        new = checkpoints.add_checkpoints(conn, run.pk, records.checkpoints)
        records = records.model_copy(update={"checkpoints": new})
        resume_point.settle(conn, run, validity.attempt, new)
        checkpoints.drop_checkpoints(conn, run.pk, records.dropped)
        for update in records.commands:
            commands.update_command(conn, run, update, now)
        logs.add_pieces(conn, run.pk, validity.attempt, records.logs)
        panels.add_panels(conn, run.pk, records.panels)
    return run_summary.update_run(conn, run, delivery.columns, records, now)


def _take_history(conn: Connection, validity: LeaseValidity, delivery: Delivery, now: datetime) -> None:
    """Keep the records that were made while the lease lasted, in the segments that its attempt opened."""
    run, records = validity.run, delivery.records
    if records is not None:
        for opened in records.segments:
            _open_segment(conn, run, opened, validity)
    own = segments.opened_by(conn, run.pk, validity.attempt)
    end = validity.ended_at
    if end is None:
        return
    kept = [_cut_off(column, end) for column in delivery.columns if column.segment in own]
    metrics.add_columns(conn, run, [column for column in kept if len(column.points)], newest=False)
    if records is not None:
        measured = [
            validation for validation in records.validations if validation.segment in own and validation.at <= end
        ]
        written = [point for point in records.checkpoints if point.segment in own and point.at <= end]
        validations.add_validations(conn, run.pk, measured)
        withdrawn = [answer for answer in records.withdrawn if answer.segment in own]
        validations.withdraw_validations(conn, run.pk, withdrawn)
        checkpoints.add_checkpoints(conn, run.pk, written)
        resume_point.settle(conn, run, validity.attempt, written)
        checkpoints.drop_checkpoints(conn, run.pk, records.dropped)
        logs.add_pieces(conn, run.pk, validity.attempt, records.logs)
        panels.add_panels(conn, run.pk, [panel for panel in records.panels if panel.segment in own and panel.at <= end])
        run_summary.take_back(conn, run, withdrawn, is_last=validity.attempt == run.attempt, now=now)


def _open_segment(conn: Connection, run: RunRow, opened: SegmentOpened, validity: LeaseValidity) -> None:
    if segments.open_segment(conn, run, opened, validity):
        resume_point.note_segment(conn, run.pk, opened)


def _cut_off(column: Column, end: datetime) -> Column:
    points = column.points
    return replace(column, points=points.take(points.times <= end.timestamp()))


def _get_run(conn: Connection, reference: str, writer: str) -> RunRow:
    """Return the run's row, locked and without JSON columns, with `last_number` of the writer and `has_commands`."""
    wanted = {"run": reference, "writer": writer}
    row = conn.execute(_FIND, wanted).one_or_none()
    if row is None:
        wanted["run"] = runs.get_run(conn, reference).id
        row = conn.execute(_FIND, wanted).one()
    return row


def _complete(
    conn: Connection,
    has_commands: bool,
    run: RunRow,
    records: Batch | None,
    changed: dict[str, Any],
    receipt: BatchReceipt,
) -> BatchReceipt:
    """Add the run's best, its open commands, and where its next attempt would begin if that may have changed."""
    best = {name: changed.get(name, getattr(run, name)) for name in _BEST}
    open_commands, resume = [], None
    if has_commands or (records is not None and records.commands):
        open_commands = commands.open_commands(conn, run.pk)
    if records is not None and (records.checkpoints or records.dropped or records.segments):
        resume = resume_point.find_resume(conn, runs.get_by_pk(conn, run.pk))
    return receipt.model_copy(update={**best, "commands": open_commands, "resume_checkpoint": resume and resume.id})


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
        .where(RunTable.id == bindparam("run"), visible(None))
        .with_for_update(of=RunTable.__table__)
    )


_FIND = _find()


@cache
def _counting(dialect: str) -> Any:
    statement = db.insert(dialect, WriterTable)
    changes = {"last_number": statement.excluded.last_number, "heard_at": statement.excluded.heard_at}
    return statement.on_conflict_do_update(index_elements=["run_pk", "id"], set_=changes)
