"""The tables, and nothing else: no queries, no rules beyond what the database itself can hold.

Inside the database a run is an integer (`runs.pk`), so that a million metric rows stay small; its public name is
`runs.id`. Migrations are made from this file and checked against it on both databases.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKey,
    Index,
    LargeBinary,
    MetaData,
    String,
    Text,
    UniqueConstraint,
    false,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from tracker.columns import Big, Document, Id, Moment, Number

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}


class Base(DeclarativeBase):
    metadata = MetaData(naming_convention=NAMING)
    type_annotation_map: ClassVar[dict[Any, Any]] = {
        datetime: Moment,
        float: Number,
        dict[str, Any]: Document,
        list[Any]: Document,
        bytes: LargeBinary,
    }


class Project(Base):
    __tablename__ = "projects"

    pk: Mapped[int] = mapped_column(Big, primary_key=True)
    name: Mapped[str] = mapped_column(String(100), unique=True)
    description: Mapped[str] = mapped_column(Text, default="")
    created_at: Mapped[datetime]
    #: The number the next run of this project gets; moved on in the transaction that makes the run.
    next_number: Mapped[int] = mapped_column(default=1)


class Run(Base):
    __tablename__ = "runs"
    __table_args__ = (
        UniqueConstraint("project_pk", "number"),
        # The queue: the oldest of the highest priority first.
        Index("ix_runs_queue", "state", "priority", "pk"),
        # A page of runs in the order of a value reads that value's index and the page's rows, nothing else.
        Index("ix_runs_best", "project_pk", "best_value", "pk"),
        Index("ix_runs_last", "project_pk", "last_value", "pk"),
        Index("ix_runs_recent", "project_pk", "deleted_at", "pk"),
        # Counting the runs of a project, all or in some states, reads this and no row.
        Index("ix_runs_counted", "project_pk", "deleted_at", "state", "pk"),
        Index("ix_runs_lease_expiry", "lease_expires_at"),
        UniqueConstraint("created_by", "idempotency_key"),
    )

    pk: Mapped[int] = mapped_column(Big, primary_key=True)
    id: Mapped[str] = mapped_column(Id, unique=True)
    project_pk: Mapped[int] = mapped_column(ForeignKey("projects.pk"))
    number: Mapped[int]
    name: Mapped[str] = mapped_column(String(100))
    #: Changes only through store.runs.move_run.
    state: Mapped[str] = mapped_column(String(20))
    stop_reason: Mapped[str | None] = mapped_column(String(40))
    stop_message: Mapped[str | None] = mapped_column(Text)
    error: Mapped[dict[str, Any] | None]
    spec: Mapped[dict[str, Any]]
    #: `recipe`, `code` or `external`; workers never claim external runs.
    source_kind: Mapped[str] = mapped_column(String(20))
    #: As the trainer resolved it: min or max; auto until then.
    mode: Mapped[str] = mapped_column(String(10))
    tags: Mapped[list[Any]] = mapped_column(default=list)
    notes: Mapped[str] = mapped_column(Text, default="")
    priority: Mapped[int] = mapped_column(default=0)
    created_by: Mapped[str] = mapped_column(String(100))
    idempotency_key: Mapped[str | None] = mapped_column(String(200))
    created_at: Mapped[datetime]
    started_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    updated_at: Mapped[datetime]
    heard_at: Mapped[datetime | None]
    deleted_at: Mapped[datetime | None]

    attempt: Mapped[int] = mapped_column(default=0)
    max_attempts: Mapped[int] = mapped_column(default=3)
    #: The present lease; every write of a trainer or agent is guarded by this token's hash.
    lease_digest: Mapped[str | None] = mapped_column(String(64))
    lease_expires_at: Mapped[datetime | None]
    worker_id: Mapped[str | None] = mapped_column(Id)
    worker_name: Mapped[str | None] = mapped_column(String(100))

    # The newest of everything, so that a list never reads looks or points.
    segment: Mapped[int | None]
    step: Mapped[int | None] = mapped_column(BigInteger)
    last_value: Mapped[float | None]
    last_look_step: Mapped[int | None] = mapped_column(BigInteger)
    looks: Mapped[int] = mapped_column(default=0)
    wait: Mapped[int | None] = mapped_column(BigInteger)
    patience_left: Mapped[int | None] = mapped_column(BigInteger)
    patience_unit: Mapped[str | None] = mapped_column(String(10))
    #: Best look and best checkpoint; only a strictly better value under the present lease replaces them.
    best_value: Mapped[float | None]
    best_step: Mapped[int | None] = mapped_column(BigInteger)
    best_checkpoint_value: Mapped[float | None]
    best_checkpoint: Mapped[str | None] = mapped_column(Id)
    resume: Mapped[str | None] = mapped_column(String(20))
    resume_note: Mapped[str | None] = mapped_column(Text)
    environment: Mapped[dict[str, Any] | None]
    test: Mapped[dict[str, Any] | None]


class Lease(Base):
    """Every lease ever granted, ended ones too: late data is judged by the lease it was measured under."""

    __tablename__ = "leases"
    __table_args__ = (Index(None, "run_pk"),)

    pk: Mapped[int] = mapped_column(Big, primary_key=True)
    run_pk: Mapped[int] = mapped_column(ForeignKey("runs.pk", ondelete="CASCADE"))
    digest: Mapped[str] = mapped_column(String(64), unique=True)
    worker_id: Mapped[str | None] = mapped_column(Id)
    attempt: Mapped[int]
    granted_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    outcome: Mapped[str | None] = mapped_column(String(20))


class Writer(Base):
    """How far each writer of a run has come: a batch number is taken once."""

    __tablename__ = "writers"

    run_pk: Mapped[int] = mapped_column(ForeignKey("runs.pk", ondelete="CASCADE"), primary_key=True)
    id: Mapped[str] = mapped_column(Id, primary_key=True)
    last_number: Mapped[int] = mapped_column(BigInteger)
    heard_at: Mapped[datetime]


class Segment(Base):
    __tablename__ = "segments"

    run_pk: Mapped[int] = mapped_column(ForeignKey("runs.pk", ondelete="CASCADE"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    parent: Mapped[int | None]
    reason: Mapped[str] = mapped_column(String(20))
    start_step: Mapped[int] = mapped_column(BigInteger)
    checkpoint: Mapped[str | None] = mapped_column(Id)
    attempt: Mapped[int]
    opened_at: Mapped[datetime]
    #: Where the next segment of the living path left this one; null on the living one. Later steps are ghosts.
    branched_step: Mapped[int | None] = mapped_column(BigInteger)


class Look(Base):
    __tablename__ = "looks"
    __table_args__ = (UniqueConstraint("run_pk", "segment", "step"), Index(None, "run_pk", "pk"))

    pk: Mapped[int] = mapped_column(Big, primary_key=True)
    run_pk: Mapped[int] = mapped_column(ForeignKey("runs.pk", ondelete="CASCADE"))
    segment: Mapped[int]
    step: Mapped[int] = mapped_column(BigInteger)
    value: Mapped[float | None]
    n: Mapped[int | None] = mapped_column(BigInteger)
    epoch: Mapped[float | None]
    seconds: Mapped[float | None]
    metrics: Mapped[dict[str, Any]]
    decision: Mapped[dict[str, Any]]
    snapshot: Mapped[str | None] = mapped_column(Id)
    checkpoint: Mapped[str | None] = mapped_column(Id)
    note: Mapped[str | None] = mapped_column(Text)
    at: Mapped[datetime]


class MetricSummary(Base):
    """What is known of a metric without reading a point of it."""

    __tablename__ = "metric_summaries"
    __table_args__ = (Index(None, "key", "last_value", "run_pk"),)

    run_pk: Mapped[int] = mapped_column(ForeignKey("runs.pk", ondelete="CASCADE"), primary_key=True)
    key: Mapped[str] = mapped_column(String(200), primary_key=True)
    count: Mapped[int] = mapped_column(BigInteger)
    non_finite: Mapped[int] = mapped_column(BigInteger)
    first_step: Mapped[int] = mapped_column(BigInteger)
    last_step: Mapped[int] = mapped_column(BigInteger)
    last_value: Mapped[float]
    min_value: Mapped[float | None]
    min_step: Mapped[int | None] = mapped_column(BigInteger)
    max_value: Mapped[float | None]
    max_step: Mapped[int | None] = mapped_column(BigInteger)


class MetricChunk(Base):
    """Consecutive points of one metric in one segment, packed; `encoding` says how (store.chunks)."""

    __tablename__ = "metric_chunks"
    __table_args__ = (
        Index(None, "run_pk", "key", "segment", "first_step"),
        Index("ix_metric_chunks_small", "encoding", "pk"),
    )

    pk: Mapped[int] = mapped_column(Big, primary_key=True)
    run_pk: Mapped[int] = mapped_column(ForeignKey("runs.pk", ondelete="CASCADE"))
    key: Mapped[str] = mapped_column(String(200))
    segment: Mapped[int]
    first_step: Mapped[int] = mapped_column(BigInteger)
    last_step: Mapped[int] = mapped_column(BigInteger)
    count: Mapped[int]
    encoding: Mapped[int]
    #: A min/max envelope of the points (store.chunks): a wide chart reads this and not the points. It stands before
    #: them, because SQLite walks through all of a long value to reach the one behind it.
    envelope: Mapped[bytes | None]
    data: Mapped[bytes]


class Checkpoint(Base):
    __tablename__ = "checkpoints"
    __table_args__ = (Index(None, "run_pk", "pk"),)

    pk: Mapped[int] = mapped_column(Big, primary_key=True)
    id: Mapped[str] = mapped_column(Id, unique=True)
    run_pk: Mapped[int] = mapped_column(ForeignKey("runs.pk", ondelete="CASCADE"))
    segment: Mapped[int]
    step: Mapped[int] = mapped_column(BigInteger)
    kind: Mapped[str] = mapped_column(String(20))
    value: Mapped[float | None]
    state: Mapped[str] = mapped_column(String(20))
    is_pinned: Mapped[bool] = mapped_column(server_default=false(), default=False)
    digest: Mapped[str] = mapped_column(String(64))
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    written_bytes: Mapped[int] = mapped_column(BigInteger)
    location: Mapped[str] = mapped_column(Text)
    at: Mapped[datetime]


class Receipt(Base):
    """Proofs of restores: recorded value, restored value, their difference."""

    __tablename__ = "receipts"
    __table_args__ = (Index(None, "run_pk"),)

    pk: Mapped[int] = mapped_column(Big, primary_key=True)
    run_pk: Mapped[int] = mapped_column(ForeignKey("runs.pk", ondelete="CASCADE"))
    receipt: Mapped[dict[str, Any]]
    user: Mapped[str] = mapped_column(String(100))
    at: Mapped[datetime]


class Command(Base):
    __tablename__ = "commands"
    __table_args__ = (Index(None, "run_pk", "state"),)

    pk: Mapped[int] = mapped_column(Big, primary_key=True)
    id: Mapped[str] = mapped_column(Id, unique=True)
    run_pk: Mapped[int] = mapped_column(ForeignKey("runs.pk", ondelete="CASCADE"))
    kind: Mapped[str] = mapped_column(String(20))
    arguments: Mapped[dict[str, Any]]
    state: Mapped[str] = mapped_column(String(20))
    requested_by: Mapped[str] = mapped_column(String(100))
    requested_at: Mapped[datetime]
    acknowledged_at: Mapped[datetime | None]
    done_at: Mapped[datetime | None]
    message: Mapped[str] = mapped_column(Text, default="")
    result: Mapped[dict[str, Any] | None]


class LogPiece(Base):
    __tablename__ = "log_pieces"
    __table_args__ = (
        Index(None, "run_pk", "pk"),
        UniqueConstraint("run_pk", "attempt", "stream", "offset"),
    )

    pk: Mapped[int] = mapped_column(Big, primary_key=True)
    run_pk: Mapped[int] = mapped_column(ForeignKey("runs.pk", ondelete="CASCADE"))
    attempt: Mapped[int]
    stream: Mapped[str] = mapped_column(String(10))
    offset: Mapped[int] = mapped_column(BigInteger)
    text: Mapped[str] = mapped_column(Text)
    at: Mapped[datetime]


class Worker(Base):
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
    started_at: Mapped[datetime]
    heard_at: Mapped[datetime]
    gone_at: Mapped[datetime | None]


class Bundle(Base):
    """A user's code, kept as long as a run refers to it."""

    __tablename__ = "bundles"

    digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    data: Mapped[bytes]
    size_bytes: Mapped[int]
    uploaded_by: Mapped[str] = mapped_column(String(100))
    created_at: Mapped[datetime]


class User(Base):
    __tablename__ = "users"
    __table_args__ = (CheckConstraint("role IN ('viewer', 'member', 'worker', 'admin')", name="role_known"),)

    pk: Mapped[int] = mapped_column(Big, primary_key=True)
    id: Mapped[str] = mapped_column(Id, unique=True)
    name: Mapped[str] = mapped_column(String(100), unique=True)
    role: Mapped[str] = mapped_column(String(10))
    created_at: Mapped[datetime]
    disabled_at: Mapped[datetime | None]


class Credential(Base):
    """A token, a browser session or a one-time sign-in code; only the SHA-256 of the secret is kept."""

    __tablename__ = "credentials"
    __table_args__ = (Index(None, "user_pk"),)

    pk: Mapped[int] = mapped_column(Big, primary_key=True)
    id: Mapped[str] = mapped_column(Id, unique=True)
    user_pk: Mapped[int] = mapped_column(ForeignKey("users.pk", ondelete="CASCADE"))
    kind: Mapped[str] = mapped_column(String(10))
    name: Mapped[str] = mapped_column(String(100))
    role: Mapped[str] = mapped_column(String(10))
    digest: Mapped[str] = mapped_column(String(64), unique=True)
    created_at: Mapped[datetime]
    last_used_at: Mapped[datetime | None]
    expires_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]


class Event(Base):
    """What happened, for the dashboard and for whoever follows; pruned by age."""

    __tablename__ = "events"
    __table_args__ = ({"sqlite_autoincrement": True},)

    seq: Mapped[int] = mapped_column(Big, primary_key=True)
    kind: Mapped[str] = mapped_column(String(40))
    project: Mapped[str | None] = mapped_column(String(100))
    run: Mapped[str | None] = mapped_column(Id)
    data: Mapped[dict[str, Any]]
    at: Mapped[datetime]


class AuditEntry(Base):
    __tablename__ = "audit_log"
    __table_args__ = ({"sqlite_autoincrement": True},)

    seq: Mapped[int] = mapped_column(Big, primary_key=True)
    at: Mapped[datetime]
    user: Mapped[str] = mapped_column(String(100))
    action: Mapped[str] = mapped_column(String(60))
    target: Mapped[str] = mapped_column(String(200))
    detail: Mapped[dict[str, Any] | None]
