"""Table of artifacts that are checkpoints: files that a script wrote itself, each tied to its validation."""

from __future__ import annotations

from sqlalchemy import BigInteger, ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from tracker.models.base import Base


class CheckpointFileTable(Base):
    """A version of an artifact that is a checkpoint, with the step and the value of its validation."""

    __tablename__ = "checkpoint_files"

    artifact_pk: Mapped[int] = mapped_column(ForeignKey("artifacts.pk", ondelete="CASCADE"), primary_key=True)
    #: The version of the file beside it that said so: it is said of one checkpoint only.
    metrics_pk: Mapped[int | None] = mapped_column(ForeignKey("artifacts.pk", ondelete="SET NULL"), index=True)
    step: Mapped[int] = mapped_column(BigInteger)
    value: Mapped[float | None]
