"""What a trainer measured and said: validations, metrics, panels, output."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, ForeignKey, Index, String, Text, UniqueConstraint, false
from sqlalchemy.orm import Mapped, mapped_column

from tracker.models.base import Base
from tracker.models.types import Big, Id


class ValidationTable(Base):
    __tablename__ = "validations"
    __table_args__ = (UniqueConstraint("run_pk", "segment", "step", "withdraws"), Index(None, "run_pk", "pk"))

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
    #: An entry that takes back the validation of its segment and step; it measures nothing, and `note` says why.
    withdraws: Mapped[bool] = mapped_column(server_default=false(), default=False)
    #: A validation that was taken back: it is no best.
    is_withdrawn: Mapped[bool] = mapped_column(server_default=false(), default=False)
    at: Mapped[datetime]


class ValidationExamplesTable(Base):
    """What each of `n` examples did at a validation (`kind` says what, `note` what is left out, or why there is
    nothing).

    A table of its own: the validations are read often, this hardly ever. `data` is deflated.
    """

    __tablename__ = "validation_examples"
    __table_args__ = (UniqueConstraint("run_pk", "segment", "step"),)

    pk: Mapped[int] = mapped_column(Big, primary_key=True)
    run_pk: Mapped[int] = mapped_column(ForeignKey("runs.pk", ondelete="CASCADE"))
    segment: Mapped[int]
    step: Mapped[int] = mapped_column(BigInteger)
    kind: Mapped[str] = mapped_column(String(10))
    n: Mapped[int]
    note: Mapped[str | None] = mapped_column(Text)
    data: Mapped[bytes | None]


class MetricSummaryTable(Base):
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


class MetricChunkTable(Base):
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


class PanelTable(Base):
    """A picture of the model at a validation, as data: JSON, deflated."""

    __tablename__ = "panels"
    __table_args__ = (UniqueConstraint("run_pk", "name", "segment", "step"),)

    pk: Mapped[int] = mapped_column(Big, primary_key=True)
    run_pk: Mapped[int] = mapped_column(ForeignKey("runs.pk", ondelete="CASCADE"))
    segment: Mapped[int]
    step: Mapped[int] = mapped_column(BigInteger)
    name: Mapped[str] = mapped_column(String(100))
    kind: Mapped[str] = mapped_column(String(20))
    snapshot: Mapped[str | None] = mapped_column(Id)
    data: Mapped[bytes]
    at: Mapped[datetime]


class LogPieceTable(Base):
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
