"""Logs: the output of trainers in pieces. A piece is identified by its offset in its stream, and stored once."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, select

from keepbest.contract import validations as contract
from keepbest.contract.batches import LogLines
from tracker import db
from tracker.models import LogPieceTable


def add_pieces(conn: Connection, run_pk: int, attempt: int, pieces: Sequence[LogLines]) -> None:
    """Add output of this attempt."""
    if pieces:
        rows = [{"run_pk": run_pk, "attempt": attempt, **piece.model_dump()} for piece in pieces]
        conn.execute(db.insert(conn, LogPieceTable).on_conflict_do_nothing(), rows)


def list_pieces(
    conn: Connection, run_pk: int, *, after: int, limit: int, stream: str | None = None, last: bool = False
) -> list[contract.LogPiece]:
    """Return the pieces after number `after`, in order of arrival; with `last`, the newest `limit` of them."""
    query = select(*LogPieceTable.__table__.columns).where(LogPieceTable.run_pk == run_pk, LogPieceTable.pk > after)
    if stream is not None:
        query = query.where(LogPieceTable.stream == stream)
    rows = conn.execute(query.order_by(LogPieceTable.pk.desc() if last else LogPieceTable.pk).limit(limit)).all()
    ordered = reversed(rows) if last else rows
    return [contract.LogPiece.model_validate({**row._asdict(), "seq": row.pk}) for row in ordered]
