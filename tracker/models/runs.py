"""Tables of projects, runs, leases, writers and segments."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, ForeignKey, Index, String, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from tracker.models.base import Base
from tracker.models.types import Big, Id

_OF_SWEEP = ("sweep_pk", "deleted_at", "state", "stop_reason", "top_rung", "best_value")
_IS_IN_SWEEP = text("sweep_pk IS NOT NULL")
_IS_FORK = text("forked_from IS NOT NULL")
_HAS_COMMIT = text('"commit" IS NOT NULL')
_IS_NUMBER, _IS_TEXT = text("number IS NOT NULL"), text("number IS NULL")


class ProjectTable(Base):
    __tablename__ = "projects"

    pk: Mapped[int] = mapped_column(Big, primary_key=True)
    name: Mapped[str] = mapped_column(String(100), unique=True)
    description: Mapped[str] = mapped_column(Text, default="")
    created_at: Mapped[datetime]
    #: The number of the project's next run; the transaction that makes the run increments it.
    next_number: Mapped[int] = mapped_column(default=1)
    #: An archived project takes no new run and is in no list of projects.
    archived_at: Mapped[datetime | None]
    #: A deleted project is nowhere; its runs that were deleted at this moment come back with it.
    deleted_at: Mapped[datetime | None]


class RunTable(Base):
    __tablename__ = "runs"
    __table_args__ = (
        UniqueConstraint("project_pk", "number"),
        # The queue: of the highest priority, the run with the lowest place first.
        Index("ix_runs_queue", "state", "priority", "queue_place", "pk"),
        # A page of runs sorted by a value reads only this index and the page's rows.
        Index("ix_runs_best", "project_pk", "best_value", "pk"),
        Index("ix_runs_last", "project_pk", "last_value", "pk"),
        Index("ix_runs_recent", "project_pk", "deleted_at", "pk"),
        # Counting a project's runs, all or by state, reads this index and no row.
        Index("ix_runs_counted", "project_pk", "deleted_at", "state", "pk"),
        Index("ix_runs_lease_expiry", "lease_expires_at"),
        Index("ix_runs_start_checkpoint", "start_checkpoint"),
        # The scheduler's query of each second over all runs of a sweep reads this index and no row.
        Index("ix_runs_of_sweep", *_OF_SWEEP, sqlite_where=_IS_IN_SWEEP, postgresql_where=_IS_IN_SWEEP),
        Index("ix_runs_created", "project_pk", "created_at", "pk"),
        Index("ix_runs_started", "project_pk", "started_at", "pk"),
        Index("ix_runs_ended", "project_pk", "ended_at", "pk"),
        Index("ix_runs_recipe", "project_pk", "recipe", "pk"),
        Index("ix_runs_user", "project_pk", "created_by", "pk"),
        Index("ix_runs_variant", "project_pk", "variant", "pk"),
        Index("ix_runs_commit", "project_pk", "commit", "pk", sqlite_where=_HAS_COMMIT, postgresql_where=_HAS_COMMIT),
        Index("ix_runs_forked_from", "forked_from", sqlite_where=_IS_FORK, postgresql_where=_IS_FORK),
        UniqueConstraint("created_by", "idempotency_key"),
    )

    pk: Mapped[int] = mapped_column(Big, primary_key=True)
    id: Mapped[str] = mapped_column(Id, unique=True)
    project_pk: Mapped[int] = mapped_column(ForeignKey("projects.pk"))
    number: Mapped[int]
    #: The sweep that made the run, copied from its trial into an index with the run's state.
    sweep_pk: Mapped[int | None] = mapped_column(Big)
    #: The highest rung of the sweep at which the run paused; 0 before the first.
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
    # What of the spec runs are found and grouped by.
    monitor: Mapped[str] = mapped_column(String(200), server_default=text("''"))
    #: The recipe's name, the file and function, or a command's script.
    recipe: Mapped[str | None] = mapped_column(String(300))
    forked_from: Mapped[str | None] = mapped_column(Id)
    #: The git commit of its code, as the submission or the last attempt said.
    commit: Mapped[str | None] = mapped_column(String(64))
    #: Runs that differ by seed alone have the same one (store.search.variants).
    variant: Mapped[str] = mapped_column(String(32), server_default=text("''"))
    #: `min` or `max`, as the trainer resolved the spec's mode; `auto` until then.
    mode: Mapped[str] = mapped_column(String(10))
    tags: Mapped[list[Any]] = mapped_column(default=list)
    notes: Mapped[str] = mapped_column(Text, default="")
    #: `#rrggbb`, as a person chose it; empty: the page chooses.
    color: Mapped[str] = mapped_column(String(7), server_default="", default="")
    priority: Mapped[int] = mapped_column(default=0)
    #: Orders queued runs of equal priority. A new run comes behind all others; a person may put it between two.
    queue_place: Mapped[float] = mapped_column(server_default=text("0"), default=0.0)
    created_by: Mapped[str] = mapped_column(String(100))
    idempotency_key: Mapped[str | None] = mapped_column(String(200))
    #: Of a run that came in an archive: who made it, its number there, and the archive's digest.
    imported_from: Mapped[dict[str, Any] | None]
    created_at: Mapped[datetime]
    started_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    updated_at: Mapped[datetime]
    heard_at: Mapped[datetime | None]
    deleted_at: Mapped[datetime | None]

    attempt: Mapped[int] = mapped_column(default=0)
    max_attempts: Mapped[int] = mapped_column(default=3)
    #: Attempts before the last resume of the ended run: no failures, and their late records are history only.
    attempts_before: Mapped[int] = mapped_column(server_default=text("0"), default=0)
    #: The digest of the present lease's token, which guards every write of a trainer or agent.
    lease_digest: Mapped[str | None] = mapped_column(String(64))
    lease_expires_at: Mapped[datetime | None]
    worker_id: Mapped[str | None] = mapped_column(Id)
    worker_name: Mapped[str | None] = mapped_column(String(100))

    # A summary of the newest records, so that a list reads neither validations nor points.
    segment: Mapped[int | None]
    step: Mapped[int | None] = mapped_column(BigInteger)
    last_value: Mapped[float | None]
    last_validation_step: Mapped[int | None] = mapped_column(BigInteger)
    validations: Mapped[int] = mapped_column(default=0)
    wait: Mapped[int | None] = mapped_column(BigInteger)
    patience_left: Mapped[int | None] = mapped_column(BigInteger)
    patience_unit: Mapped[str | None] = mapped_column(String(10))
    #: The best validation and checkpoint; only a strictly better value under the present lease replaces them.
    best_value: Mapped[float | None]
    best_step: Mapped[int | None] = mapped_column(BigInteger)
    best_checkpoint_value: Mapped[float | None]
    best_checkpoint: Mapped[str | None] = mapped_column(Id)
    resume: Mapped[str | None] = mapped_column(String(20))
    resume_note: Mapped[str | None] = mapped_column(Text)
    #: The parts of the model that the checkpoints do not hold, one on a line.
    incomplete: Mapped[str | None] = mapped_column(Text)
    environment: Mapped[dict[str, Any] | None]
    test: Mapped[dict[str, Any] | None]
    #: The selection at the run's end; the next columns repeat the values by which sweeps compare runs.
    selection: Mapped[dict[str, Any] | None]
    selected_value: Mapped[float | None]
    selected_step: Mapped[int | None] = mapped_column(BigInteger)
    averages_tried: Mapped[int] = mapped_column(server_default=text("0"), default=0)
    #: The limit of steps that a roll back or a resume set in place of the spec's.
    max_steps: Mapped[int | None] = mapped_column(BigInteger)
    #: Where the next attempt begins and with which overrides, unless it simply begins at the newest checkpoint: after a
    #: fork, a resume of an ended run, or a roll back that no checkpoint holds yet. Cleared once such a checkpoint is
    #: durable.
    start_checkpoint: Mapped[str | None] = mapped_column(Id)
    start_overrides: Mapped[dict[str, Any] | None]
    #: The end that a resumed run had, until a worker takes the run.
    ended_before: Mapped[dict[str, Any] | None]
    #: The present problem in words, and since when the training thread has not moved.
    warning: Mapped[str | None] = mapped_column(Text)
    stalled_since: Mapped[datetime | None]
    #: The snapshots that the trainer holds; null when nobody trains the run.
    memory: Mapped[dict[str, Any] | None]


class RunProvenanceTable(Base):
    """How a run's last attempt came about: what is too large for the run's row."""

    __tablename__ = "run_provenance"

    run_pk: Mapped[int] = mapped_column(ForeignKey("runs.pk", ondelete="CASCADE"), primary_key=True)
    provenance: Mapped[dict[str, Any]]


class RunParameterTable(Base):
    """One parameter of a run, to find runs by."""

    __tablename__ = "run_parameters"
    __table_args__ = (
        Index(
            "ix_run_parameters_number",
            *("project_pk", "key", "number", "run_pk"),
            sqlite_where=_IS_NUMBER,
            postgresql_where=_IS_NUMBER,
        ),
        Index(
            "ix_run_parameters_text",
            *("project_pk", "key", "text", "run_pk"),
            sqlite_where=_IS_TEXT,
            postgresql_where=_IS_TEXT,
        ),
    )

    run_pk: Mapped[int] = mapped_column(ForeignKey("runs.pk", ondelete="CASCADE"), primary_key=True)
    key: Mapped[str] = mapped_column(String(200), primary_key=True)
    #: The run's project: here to be in an index with the values.
    project_pk: Mapped[int] = mapped_column(Big)
    #: Of a number, and of a text that reads as a finite one. Never NaN.
    number: Mapped[float | None]
    #: The first characters of a text as it stands, of everything else as JSON writes it.
    text: Mapped[str] = mapped_column(String(300))


class RunTagTable(Base):
    """One tag of a run, to find runs by."""

    __tablename__ = "run_tags"
    __table_args__ = (Index(None, "project_pk", "tag", "run_pk"),)

    run_pk: Mapped[int] = mapped_column(ForeignKey("runs.pk", ondelete="CASCADE"), primary_key=True)
    tag: Mapped[str] = mapped_column(String(100), primary_key=True)
    #: The run's project: here to be in an index with the tag.
    project_pk: Mapped[int] = mapped_column(Big)


class LeaseTable(Base):
    """Every lease ever granted, ended ones too: the lease of a late record decides what the record may change."""

    __tablename__ = "leases"
    __table_args__ = (Index(None, "run_pk"),)

    pk: Mapped[int] = mapped_column(Big, primary_key=True)
    run_pk: Mapped[int] = mapped_column(ForeignKey("runs.pk", ondelete="CASCADE"))
    digest: Mapped[str] = mapped_column(String(64), unique=True)
    worker_id: Mapped[str | None] = mapped_column(Id)
    attempt: Mapped[int]
    #: The id of the claim: the same claim, sent again, gets this lease.
    request: Mapped[str | None] = mapped_column(Id)
    granted_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    outcome: Mapped[str | None] = mapped_column(String(20))


class WriterTable(Base):
    """The last batch number of each writer of a run, so that each batch is taken once."""

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
    #: The step at which the living path left this segment; null where it has not. Later steps are ghosts.
    branched_step: Mapped[int | None] = mapped_column(BigInteger)
    #: What was changed at the segment's start: learning rate, max_steps, patience.
    overrides: Mapped[dict[str, Any] | None]
