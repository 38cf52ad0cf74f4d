"""Runs: what was asked, what they are now, who may train them, and the stretches of their history."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, ForeignKey, Index, String, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from tracker.models.base import Base
from tracker.models.types import Big, Id

_OF_SWEEP = ("sweep_pk", "deleted_at", "state", "stop_reason", "top_rung", "best_value")
_IS_IN_SWEEP = text("sweep_pk IS NOT NULL")


class ProjectTable(Base):
    __tablename__ = "projects"

    pk: Mapped[int] = mapped_column(Big, primary_key=True)
    name: Mapped[str] = mapped_column(String(100), unique=True)
    description: Mapped[str] = mapped_column(Text, default="")
    created_at: Mapped[datetime]
    #: The number the next run of this project gets; moved on in the transaction that makes the run.
    next_number: Mapped[int] = mapped_column(default=1)


class RunTable(Base):
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
        Index("ix_runs_start_checkpoint", "start_checkpoint"),
        # What the scheduler asks each second of all runs of a sweep reads this and no row.
        Index("ix_runs_of_sweep", *_OF_SWEEP, sqlite_where=_IS_IN_SWEEP, postgresql_where=_IS_IN_SWEEP),
        UniqueConstraint("created_by", "idempotency_key"),
    )

    pk: Mapped[int] = mapped_column(Big, primary_key=True)
    id: Mapped[str] = mapped_column(Id, unique=True)
    project_pk: Mapped[int] = mapped_column(ForeignKey("projects.pk"))
    number: Mapped[int]
    #: The sweep that made it, as its trial says too: here to be in an index with what the run is now.
    sweep_pk: Mapped[int | None] = mapped_column(Big)
    #: The highest rung of its sweep at which it paused; 0 before the first.
    top_rung: Mapped[int] = mapped_column(server_default=text("0"), default=0)
    name: Mapped[str] = mapped_column(String(100))
    #: Changes only through store.runs.move_run.
    state: Mapped[str] = mapped_column(String(20))
    stop_reason: Mapped[str | None] = mapped_column(String(40))
    stop_message: Mapped[str | None] = mapped_column(Text)
    error: Mapped[dict[str, Any] | None]
    spec: Mapped[dict[str, Any]]
    #: `recipe`, `code`, `command` or `external`; workers never claim external runs.
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
    #: Attempts from before somebody had the ended run go on: they count no more, and what they say late moves nothing.
    attempts_before: Mapped[int] = mapped_column(server_default=text("0"), default=0)
    #: The present lease; every write of a trainer or agent is guarded by this token's hash.
    lease_digest: Mapped[str | None] = mapped_column(String(64))
    lease_expires_at: Mapped[datetime | None]
    worker_id: Mapped[str | None] = mapped_column(Id)
    worker_name: Mapped[str | None] = mapped_column(String(100))

    # The newest of everything, so that a list never reads validations or points.
    segment: Mapped[int | None]
    step: Mapped[int | None] = mapped_column(BigInteger)
    last_value: Mapped[float | None]
    last_validation_step: Mapped[int | None] = mapped_column(BigInteger)
    validations: Mapped[int] = mapped_column(default=0)
    wait: Mapped[int | None] = mapped_column(BigInteger)
    patience_left: Mapped[int | None] = mapped_column(BigInteger)
    patience_unit: Mapped[str | None] = mapped_column(String(10))
    #: Best validation and best checkpoint; only a strictly better value under the present lease replaces them.
    best_value: Mapped[float | None]
    best_step: Mapped[int | None] = mapped_column(BigInteger)
    best_checkpoint_value: Mapped[float | None]
    best_checkpoint: Mapped[str | None] = mapped_column(Id)
    resume: Mapped[str | None] = mapped_column(String(20))
    resume_note: Mapped[str | None] = mapped_column(Text)
    #: What of the model its checkpoints do not hold, a line each.
    incomplete: Mapped[str | None] = mapped_column(Text)
    environment: Mapped[dict[str, Any] | None]
    test: Mapped[dict[str, Any] | None]
    #: What the selector did at the run's end; and of that what sweeps compare runs by, to be read without the rest.
    selection: Mapped[dict[str, Any] | None]
    selected_value: Mapped[float | None]
    selected_step: Mapped[int | None] = mapped_column(BigInteger)
    averages_tried: Mapped[int] = mapped_column(server_default=text("0"), default=0)
    #: What is in force instead of the spec's, since a roll back or a resume said so.
    max_steps: Mapped[int | None] = mapped_column(BigInteger)
    #: How the next attempt begins, where that is not "at the newest checkpoint, as it is": a fork, a resume of an
    #: ended run, a roll back that no checkpoint holds yet. Cleared once a checkpoint of it is durable.
    start_checkpoint: Mapped[str | None] = mapped_column(Id)
    start_overrides: Mapped[dict[str, Any] | None]
    #: Of an ended run that was resumed, what it was before, until a worker takes it up.
    ended_before: Mapped[dict[str, Any] | None]
    #: What is wrong just now, in words, and since when the training thread gives no sign of life.
    warning: Mapped[str | None] = mapped_column(Text)
    stalled_since: Mapped[datetime | None]
    #: The snapshots that the trainer holds; null when nobody trains.
    memory: Mapped[dict[str, Any] | None]


class LeaseTable(Base):
    """Every lease ever granted, ended ones too: late data is judged by the lease it was measured under."""

    __tablename__ = "leases"
    __table_args__ = (Index(None, "run_pk"),)

    pk: Mapped[int] = mapped_column(Big, primary_key=True)
    run_pk: Mapped[int] = mapped_column(ForeignKey("runs.pk", ondelete="CASCADE"))
    digest: Mapped[str] = mapped_column(String(64), unique=True)
    worker_id: Mapped[str | None] = mapped_column(Id)
    attempt: Mapped[int]
    #: By which the same request, sent again, gets this lease and no other.
    request: Mapped[str | None] = mapped_column(Id)
    granted_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    outcome: Mapped[str | None] = mapped_column(String(20))


class WriterTable(Base):
    """How far each writer of a run has come: a batch number is taken once."""

    __tablename__ = "writers"

    run_pk: Mapped[int] = mapped_column(ForeignKey("runs.pk", ondelete="CASCADE"), primary_key=True)
    id: Mapped[str] = mapped_column(Id, primary_key=True)
    last_number: Mapped[int] = mapped_column(BigInteger)
    heard_at: Mapped[datetime]


class SegmentTable(Base):
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
    #: What was changed when it began: learning rate, max_steps, patience.
    overrides: Mapped[dict[str, Any] | None]
