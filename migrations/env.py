"""Alembic's entry: runs the revisions on the connection that `tracker.db` hands over.

On Postgres an advisory lock admits one upgrade at a time, and a revision gives up on a busy table instead of blocking
the service. On SQLite one transaction holds all revisions, and batch mode rebuilds tables where ALTER is not enough.
"""

from __future__ import annotations

from typing import Any, Literal

from alembic import context
from sqlalchemy import JSON, Connection, text

from tracker.models import Base
from tracker.models.types import Moment, Number

#: Any number that no other program uses: "keep" in ASCII.
ADVISORY_LOCK = 0x6B656570


def run() -> None:
    connection: Connection = context.config.attributes["connection"]
    _prepare(connection)
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        render_as_batch=connection.dialect.name == "sqlite",
        render_item=_render,
        transactional_ddl=True,
    )
    with context.begin_transaction():
        context.run_migrations()
    connection.commit()


def _prepare(connection: Connection) -> None:
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("PRAGMA foreign_keys=OFF")  # a rebuilt table would cascade its deletion
        connection.commit()
        return
    connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": ADVISORY_LOCK})
    connection.execute(text("SET lock_timeout = '10s'"))
    connection.commit()


def _render(kind: str, item: Any, _context: Any) -> str | Literal[False]:
    """Write our own column types as plain ones, because a revision must not change with the models."""
    if kind == "type" and isinstance(item, Moment):
        return "sa.DateTime(timezone=True)"
    if kind == "type" and isinstance(item, Number):
        return "sa.Float(53)"
    if kind == "type" and isinstance(item, JSON):
        return 'sa.JSON().with_variant(sa.dialects.postgresql.JSONB(), "postgresql")'
    return False


run()
