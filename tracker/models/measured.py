"""Tables of a trainer's records: validations, metrics, panels, logs."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, ForeignKey, Index, String, Text, UniqueConstraint, false, text
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
    #: This row withdraws the validation of its segment and step: it holds no measurement, and `note` says why.
    withdraws: Mapped[bool] = mapped_column(server_default=false(), default=False)
    #: This validation was withdrawn: it cannot be the best.
    is_withdrawn: Mapped[bool] = mapped_column(server_default=false(), default=False)
    at: Mapped[datetime]


class ValidationExamplesTable(Base):
    """The result of each of `n` examples at a validation; `data` is deflated.

    `kind` says whether `data` holds losses or correct predictions, `note` which examples are missing and why. This is
    a table of its own because validations are read often and these results hardly ever.
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
    """Count, range and last value of a metric, so that a list reads no points."""

    __tablename__ = "metric_summaries"
    # Runs in the order of a metric, and those whose value lies in a range, are read from these and no row.
    __table_args__ = (
        Index("ix_metric_summaries_best", "project_pk", "key", "best_value", "run_pk"),
        Index("ix_metric_summaries_last", "project_pk", "key", "last_value", "run_pk"),
    )

    run_pk: Mapped[int] = mapped_column(ForeignKey("runs.pk", ondelete="CASCADE"), primary_key=True)
    key: Mapped[str] = mapped_column(String(200), primary_key=True)
    #: The run's project: here to be in an index with the values.
    project_pk: Mapped[int] = mapped_column(Big, server_default=text("0"))
    count: Mapped[int] = mapped_column(BigInteger)
    non_finite: Mapped[int] = mapped_column(BigInteger)
    first_step: Mapped[int] = mapped_column(BigInteger)
    last_step: Mapped[int] = mapped_column(BigInteger)
    last_value: Mapped[float]
    #: In seconds since 1970; null for one of before this column.
    last_time: Mapped[float | None]
    min_value: Mapped[float | None]
    min_step: Mapped[int | None] = mapped_column(BigInteger)
    max_value: Mapped[float | None]
    max_step: Mapped[int | None] = mapped_column(BigInteger)
    #: Of the metric that the run monitors, the run's own best; of others the extreme in the direction that its name
    #: says, else the last value. Never NaN.
    best_value: Mapped[float | None]
    best_step: Mapped[int | None] = mapped_column(BigInteger)


class MetricChunkTable(Base):
    """Consecutive points of one metric in one segment, packed; `encoding` says how (store.metrics.chunks)."""

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
    #: A min/max envelope of the points: a wide chart reads the envelope instead of the points. This column comes
    #: before `data`, because SQLite reads through all of a long value to reach the next one.
    envelope: Mapped[bytes | None]
    data: Mapped[bytes]


class PanelTable(Base):
    """Data of a picture of the model at a validation: JSON, deflated."""

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
