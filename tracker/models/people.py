"""Tables of workers, users, credentials, events and the audit log."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from tracker.models.base import Base
from tracker.models.types import Big, Id


class WorkerTable(Base):
    __tablename__ = "workers"

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    name: Mapped[str] = mapped_column(String(100))
    host: Mapped[str] = mapped_column(String(255))
    pid: Mapped[int]
    version: Mapped[str] = mapped_column(String(50))
    slots: Mapped[int]
    labels: Mapped[dict[str, Any]]
    recipes_only: Mapped[bool]
    recipes: Mapped[list[Any]]
    #: The credential that registered this worker: no other may act for it.
    registered_by: Mapped[str | None] = mapped_column(Id)
    started_at: Mapped[datetime]
    heard_at: Mapped[datetime]
    gone_at: Mapped[datetime | None]


class UserTable(Base):
    __tablename__ = "users"
    __table_args__ = (CheckConstraint("role IN ('viewer', 'member', 'worker', 'admin')", name="role_known"),)

    pk: Mapped[int] = mapped_column(Big, primary_key=True)
    id: Mapped[str] = mapped_column(Id, unique=True)
    name: Mapped[str] = mapped_column(String(100), unique=True)
    role: Mapped[str] = mapped_column(String(10))
    created_at: Mapped[datetime]
    disabled_at: Mapped[datetime | None]


class CredentialTable(Base):
    """A token, a browser session or a one-time sign-in code; only the SHA-256 of the secret is kept."""

    __tablename__ = "credentials"
    __table_args__ = (Index(None, "user_pk"), Index(None, "made_by"))

    pk: Mapped[int] = mapped_column(Big, primary_key=True)
    id: Mapped[str] = mapped_column(Id, unique=True)
    #: The credential that made this one; null: the operator made it, or it is older than this column.
    made_by: Mapped[int | None] = mapped_column(Big)
    user_pk: Mapped[int] = mapped_column(ForeignKey("users.pk", ondelete="CASCADE"))
    kind: Mapped[str] = mapped_column(String(10))
    name: Mapped[str] = mapped_column(String(100))
    role: Mapped[str] = mapped_column(String(10))
    digest: Mapped[str] = mapped_column(String(64), unique=True)
    created_at: Mapped[datetime]
    last_used_at: Mapped[datetime | None]
    expires_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]


class EventTable(Base):
    """What happened, for the dashboard and for clients that follow the stream; pruned by age."""

    __tablename__ = "events"
    __table_args__ = ({"sqlite_autoincrement": True},)

    seq: Mapped[int] = mapped_column(Big, primary_key=True)
    kind: Mapped[str] = mapped_column(String(40))
    project: Mapped[str | None] = mapped_column(String(100))
    run: Mapped[str | None] = mapped_column(Id)
    data: Mapped[dict[str, Any]]
    at: Mapped[datetime]


class AuditEntryTable(Base):
    __tablename__ = "audit_log"
    __table_args__ = ({"sqlite_autoincrement": True},)

    seq: Mapped[int] = mapped_column(Big, primary_key=True)
    at: Mapped[datetime]
    user: Mapped[str] = mapped_column(String(100))
    action: Mapped[str] = mapped_column(String(60))
    target: Mapped[str] = mapped_column(String(200))
    detail: Mapped[dict[str, Any] | None]
