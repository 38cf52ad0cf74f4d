"""Numbered batches: everything a trainer says, taken exactly once, in one transaction a batch.

The run's row is locked first, so that batches of one run go one after another. What the token is worth decides how
much of a batch counts: under the present lease all of it; under one that has ended only what was measured while it
lasted, as history: no state, no best, no commands.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select

from keepbest.contract.base import Id
from keepbest.contract.batches import Batch, BatchReceipt
from keepbest.errors import BatchGap
from tracker import db
from tracker.models import Writer
from tracker.store import checkpoints, commands, leases, logs, looks, metrics, newest, runs, segments
from tracker.store.leases import Standing
from tracker.store.metrics import Column

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
    run = runs.get_run(conn, reference, lock=True)
    standing = leases.judge(conn, run, token, now)
    last = _last_number(conn, run.pk, came.writer)
    if came.number > last + 1:
        raise BatchGap(
            f"Batch {came.number} of writer {came.writer} arrived before batch {last + 1}.",
            field="number",
            hint=f"Send batch {last + 1} next.",
        )
    is_new = came.number == last + 1
    changed = _take_new(conn, standing, came, now) if is_new else {}
    return _receipt(conn, standing, changed, is_new, max(last, came.number))


def _take_new(conn: Connection, standing: Standing, came: Delivery, now: datetime) -> dict[str, Any]:
    _count_up(conn, standing.run.pk, came, now)
    if standing.is_current:
        return _take_all(conn, standing, came, now)
    _take_history(conn, standing, came)
    return {}


def _take_all(conn: Connection, standing: Standing, came: Delivery, now: datetime) -> dict[str, Any]:
    run, records = standing.run, came.records
    metrics.add_columns(conn, run.pk, came.columns, newest=True)
    if records is not None:
        for opened in records.segments:
            segments.open_segment(conn, run, opened, standing)
            run = runs.get_by_pk(conn, run.pk)
        looks.add_looks(conn, run.pk, records.looks)
        checkpoints.add_checkpoints(conn, run.pk, records.checkpoints)
        checkpoints.drop_checkpoints(conn, run.pk, records.dropped)
        for update in records.commands:
            commands.update_command(conn, run, update, now)
        logs.add_pieces(conn, run.pk, standing.attempt, records.logs)
    return newest.update_run(conn, run, came.columns, records, now)


def _take_history(conn: Connection, standing: Standing, came: Delivery) -> None:
    """Keep what was measured while the lease lasted, in the segments it opened."""
    run, records = standing.run, came.records
    if records is not None:
        for opened in records.segments:
            segments.open_segment(conn, run, opened, standing)
    own = segments.opened_by(conn, run.pk, standing.attempt)
    end = standing.ended_at
    if end is None:
        return
    kept = [_until(column, end) for column in came.columns if column.segment in own]
    metrics.add_columns(conn, run.pk, [column for column in kept if len(column.points)], newest=False)
    if records is not None:
        measured = [look for look in records.looks if look.segment in own and look.at <= end]
        written = [point for point in records.checkpoints if point.segment in own and point.at <= end]
        looks.add_looks(conn, run.pk, measured)
        checkpoints.add_checkpoints(conn, run.pk, written)
        checkpoints.drop_checkpoints(conn, run.pk, records.dropped)
        logs.add_pieces(conn, run.pk, standing.attempt, records.logs)


def _until(column: Column, end: datetime) -> Column:
    points = column.points
    return replace(column, points=points.take(points.times <= end.timestamp()))


def _last_number(conn: Connection, run_pk: int, writer: str) -> int:
    found = select(Writer.last_number).where(Writer.run_pk == run_pk, Writer.id == writer)
    return conn.execute(found).scalar_one_or_none() or 0


def _count_up(conn: Connection, run_pk: int, came: Delivery, now: datetime) -> None:
    statement = db.insert(conn, Writer)
    changes = {"last_number": statement.excluded.last_number, "heard_at": statement.excluded.heard_at}
    row = {"run_pk": run_pk, "id": came.writer, "last_number": came.number, "heard_at": now}
    conn.execute(statement.on_conflict_do_update(index_elements=["run_pk", "id"], set_=changes), row)


def _receipt(conn: Connection, standing: Standing, changed: dict[str, Any], accepted: bool, last: int) -> BatchReceipt:
    if not standing.is_current:
        return BatchReceipt(accepted=accepted, last_number=last)
    best = {name: changed.get(name, getattr(standing.run, name)) for name in _BEST}
    still = commands.open_commands(conn, standing.run.pk)
    return BatchReceipt(accepted=accepted, last_number=last, commands=still, **best)
