"""The audit log: who changed what, kept as long as the database."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, insert, select

from keepbest.contract import access as contract
from tracker.models import AuditEntryTable


def record(
    conn: Connection,
    user: str,
    action: str,
    target: str,
    now: datetime,
    detail: Mapping[str, Any] | None = None,
) -> None:
    """Add an entry: `user` did `action` (such as `run.delete`) to `target`. `detail` must hold no secret."""
    values = {"at": now, "user": user, "action": action, "target": target[:200]}
    conn.execute(insert(AuditEntryTable), {**values, "detail": None if detail is None else dict(detail)})


def list_entries(conn: Connection, *, before: int | None, limit: int) -> list[contract.AuditEntry]:
    """Return the entries before number `before`, newest first."""
    query = select(*AuditEntryTable.__table__.columns).order_by(AuditEntryTable.seq.desc()).limit(limit)
    rows = conn.execute(query if before is None else query.where(AuditEntryTable.seq < before))
    return [contract.AuditEntry.model_validate(row._asdict()) for row in rows]
