"""Checkpoints: which are durable, best and pinned; and the receipts of restores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Select, insert, select, update

from keepbest.contract import checkpoints as contract
from keepbest.contract.base import CheckpointKind
from keepbest.contract.batches import CheckpointDropped, CheckpointDurable
from keepbest.contract.checkpoints import CheckpointState
from keepbest.errors import NotFound
from tracker import db
from tracker.models import CheckpointTable, ReceiptTable, RunTable
from tracker.store import aliases
from tracker.store.runs import RunRow
from tracker.store.search.visibility import visible
from tracker.store.segments import LivingPath, read_path

#: The kind of an average that a selector made. Training never had this state: it is no best, and no run resumes there.
MADE: CheckpointKind = "selected"


def add_checkpoints(conn: Connection, run_pk: int, durable: Sequence[CheckpointDurable]) -> Sequence[CheckpointDurable]:
    """Add checkpoints that are on disk, and return the new ones; a known one stays as it is.

    A trainer reports again what it finds in its store, because a trainer that was killed may not have reported it.
    """
    if not durable:
        return durable
    state = CheckpointState.DURABLE.value
    rows = [{"run_pk": run_pk, "state": state, **point.model_dump(exclude={"seconds"})} for point in durable]
    adding = (
        db.insert(conn, CheckpointTable).on_conflict_do_nothing(index_elements=["id"]).returning(CheckpointTable.id)
    )
    new = set(conn.execute(adding, rows).scalars())
    return durable if len(new) == len(durable) else [point for point in durable if point.id in new]


def drop_checkpoints(conn: Connection, run_pk: int, dropped: Sequence[CheckpointDropped]) -> None:
    """Mark checkpoints that are gone from disk as dropped."""
    ids = [point.id for point in dropped]
    mine = (CheckpointTable.run_pk == run_pk, CheckpointTable.id.in_(ids))
    conn.execute(update(CheckpointTable).where(*mine).values(state=CheckpointState.DROPPED.value))


def find_best(
    conn: Connection, run_pk: int, mode: str, path: LivingPath | None = None
) -> Row[str, float | None, int, int] | None:
    """Return the durable checkpoint with the best value, of equal ones the earliest; None where none has a value.

    With a `path`, only checkpoints on that living path count.
    """
    order = CheckpointTable.value if mode == "min" else CheckpointTable.value.desc()
    rows = conn.execute(
        select(CheckpointTable.id, CheckpointTable.value, CheckpointTable.segment, CheckpointTable.step)
        .where(
            CheckpointTable.run_pk == run_pk,
            CheckpointTable.state == CheckpointState.DURABLE.value,
            CheckpointTable.value.is_not(None),
            CheckpointTable.kind != MADE,
        )
        .order_by(order, CheckpointTable.pk)
    )
    return next((row for row in rows if path is None or not path.is_ghost(row.segment, row.step)), None)


def list_checkpoints(conn: Connection, run: RunRow) -> list[contract.Checkpoint]:
    """Return a run's checkpoints, oldest first, dropped ones too."""
    path = read_path(conn, run.pk)
    rows = conn.execute(_select().where(CheckpointTable.run_pk == run.pk).order_by(CheckpointTable.pk))
    names = aliases.read_names(conn, run.pk)
    return [_show(row, path, names) for row in rows]


def get_checkpoint(conn: Connection, id: str) -> contract.Checkpoint:
    """Return the checkpoint with this id; raises NotFound."""
    row = conn.execute(_select().where(CheckpointTable.id == id, visible(None))).one_or_none()
    if row is None:
        raise NotFound(f"There is no checkpoint {id!r}.", field="checkpoint", hint="`keepbest checkpoints RUN` lists.")
    return _show(row, read_path(conn, row.run_pk), aliases.read_names(conn, row.run_pk))


def pin(conn: Connection, id: str, pinned: bool) -> contract.Checkpoint:
    """Pin a checkpoint, so that retention never drops it, or unpin it."""
    get_checkpoint(conn, id)
    conn.execute(update(CheckpointTable).where(CheckpointTable.id == id).values(is_pinned=pinned))
    return get_checkpoint(conn, id)


def add_receipt(conn: Connection, run: RunRow, receipt: contract.Receipt, user: str, now: datetime) -> contract.Receipt:
    """Store the receipt of a restore; raises NotFound unless its checkpoint belongs to the run."""
    checkpoint = get_checkpoint(conn, receipt.checkpoint)
    if checkpoint.run != run.id:
        raise NotFound(f"Run {run.id} has no checkpoint {receipt.checkpoint!r}.", field="checkpoint")
    kept = receipt.model_copy(update={"run": run.id})
    conn.execute(insert(ReceiptTable), {"run_pk": run.pk, "receipt": kept.model_dump(), "user": user, "at": now})
    return kept


def list_receipts(conn: Connection, run_pk: int) -> list[contract.Receipt]:
    """Return the receipts of a run's restores, oldest first."""
    rows = conn.execute(
        select(ReceiptTable.receipt).where(ReceiptTable.run_pk == run_pk).order_by(ReceiptTable.pk)
    ).scalars()
    return [contract.Receipt.model_validate(row) for row in rows]


def _select() -> Select[Any]:
    columns = (
        *CheckpointTable.__table__.columns,
        RunTable.id.label("run"),
        RunTable.best_checkpoint,
        RunTable.selection,
    )
    return select(*columns).join(RunTable, CheckpointTable.run_pk == RunTable.pk)


def _show(row: Row[Any], path: LivingPath, names: Mapping[int, list[str]]) -> contract.Checkpoint:
    fields = {
        "aliases": names.get(row.pk, []),
        "is_best": row.id == row.best_checkpoint,
        "is_selected": row.id == (row.selection or {}).get("checkpoint"),
        "ghost": path.is_ghost(row.segment, row.step),
    }
    return contract.Checkpoint.model_validate({**row._asdict(), **fields})
