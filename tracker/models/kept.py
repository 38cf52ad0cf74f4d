"""Tables of checkpoints, receipts, test results, bundles and commands."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, ForeignKey, Index, String, Text, false
from sqlalchemy.orm import Mapped, mapped_column

from tracker.models.base import Base
from tracker.models.types import Big, Id


class CheckpointTable(Base):
    __tablename__ = "checkpoints"
    __table_args__ = (Index(None, "run_pk", "pk"),)

    pk: Mapped[int] = mapped_column(Big, primary_key=True)
    id: Mapped[str] = mapped_column(Id, unique=True)
    run_pk: Mapped[int] = mapped_column(ForeignKey("runs.pk", ondelete="CASCADE"))
    segment: Mapped[int]
    step: Mapped[int] = mapped_column(BigInteger)
    kind: Mapped[str] = mapped_column(String(20))
    value: Mapped[float | None]
    #: Number of examples that the value was measured on.
    n: Mapped[int | None] = mapped_column(BigInteger)
    state: Mapped[str] = mapped_column(String(20))
    is_pinned: Mapped[bool] = mapped_column(server_default=false(), default=False)
    digest: Mapped[str] = mapped_column(String(64))
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    written_bytes: Mapped[int] = mapped_column(BigInteger)
    #: The files of this deleted run's checkpoint have left the trash for good.
    is_gone: Mapped[bool] = mapped_column(server_default=false(), default=False)
    location: Mapped[str] = mapped_column(Text)
    #: The id of the store that holds the checkpoint, from the store's marker file.
    store: Mapped[str | None] = mapped_column(Id)
    at: Mapped[datetime]


class ReceiptTable(Base):
    """Proofs of restores: recorded value, restored value, their difference."""

    __tablename__ = "receipts"
    __table_args__ = (Index(None, "run_pk"),)

    pk: Mapped[int] = mapped_column(Big, primary_key=True)
    run_pk: Mapped[int] = mapped_column(ForeignKey("runs.pk", ondelete="CASCADE"))
    receipt: Mapped[dict[str, Any]]
    user: Mapped[str] = mapped_column(String(100))
    at: Mapped[datetime]


class TestResultTable(Base):
    """Every measurement of a run's test set: rows are added and never changed."""

    __tablename__ = "test_results"
    __table_args__ = (Index(None, "run_pk"),)

    pk: Mapped[int] = mapped_column(Big, primary_key=True)
    run_pk: Mapped[int] = mapped_column(ForeignKey("runs.pk", ondelete="CASCADE"))
    attempt: Mapped[int]
    #: A `TestResult`.
    test: Mapped[dict[str, Any]]
    worker: Mapped[str | None] = mapped_column(String(100))
    at: Mapped[datetime]


class BundleTable(Base):
    """A user's code, kept as long as a run refers to it."""

    __tablename__ = "bundles"

    digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    data: Mapped[bytes]
    #: The names of its files, so that a check for a file need not open the zip; null: written before 0012.
    files: Mapped[list[Any] | None]
    size_bytes: Mapped[int]
    uploaded_by: Mapped[str] = mapped_column(String(100))
    created_at: Mapped[datetime]


class CommandTable(Base):
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
