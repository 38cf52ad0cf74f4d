"""Tables of sweeps, their trials, and the rungs at which runs paused."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, ForeignKey, Index, String, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from tracker.models.base import Base
from tracker.models.types import Big, Id


class SweepTable(Base):
    """A sweep and its resolved request; results are read from its runs."""

    __tablename__ = "sweeps"
    __table_args__ = (
        Index("ix_sweeps_recent", "project_pk", "pk"),
        Index("ix_sweeps_living", "state", "pk"),
        UniqueConstraint("created_by", "idempotency_key"),
    )

    pk: Mapped[int] = mapped_column(Big, primary_key=True)
    id: Mapped[str] = mapped_column(Id, unique=True)
    project_pk: Mapped[int] = mapped_column(ForeignKey("projects.pk"))
    name: Mapped[str] = mapped_column(String(100))
    state: Mapped[str] = mapped_column(String(20))
    message: Mapped[str | None] = mapped_column(Text)
    #: A `SweepRequest` with every gap filled.
    spec: Mapped[dict[str, Any]]
    created_by: Mapped[str] = mapped_column(String(100))
    created_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    idempotency_key: Mapped[str | None] = mapped_column(String(200))


class TrialTable(Base):
    """The run of one trial. Its primary key keeps two schedulers from making the same trial."""

    __tablename__ = "trials"

    sweep_pk: Mapped[int] = mapped_column(ForeignKey("sweeps.pk", ondelete="CASCADE"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    run_pk: Mapped[int] = mapped_column(ForeignKey("runs.pk", ondelete="CASCADE"), unique=True)
    parameters: Mapped[dict[str, Any]]


class RungTable(Base):
    """A pause of a run at a rung, with its best value so far; `promoted_at` is when the run went on."""

    __tablename__ = "rungs"
    # Ranking the runs at a rung, and finding those that wait there, reads this index and no row.
    __table_args__ = (Index("ix_rungs_of_sweep", "sweep_pk", "rung", "promoted_at", "value", "run_pk", "since"),)

    run_pk: Mapped[int] = mapped_column(ForeignKey("runs.pk", ondelete="CASCADE"), primary_key=True)
    rung: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    sweep_pk: Mapped[int | None] = mapped_column(Big)
    #: The lowest rung that this pause reached; one validation may reach several, and the run stands at each of them.
    since: Mapped[int] = mapped_column(server_default=text("1"), default=1)
    step: Mapped[int] = mapped_column(BigInteger)
    value: Mapped[float | None]
    reached_at: Mapped[datetime]
    promoted_at: Mapped[datetime | None]
