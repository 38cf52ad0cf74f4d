"""Tables of aliases: which checkpoint or artifact a name of a project means, and what it meant before."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from tracker.models.base import Base
from tracker.models.types import Big


class AliasTable(Base):
    """A name of a checkpoint or of a version of an artifact; one target a name."""

    __tablename__ = "aliases"
    __table_args__ = (
        UniqueConstraint("project_pk", "name"),
        CheckConstraint("(checkpoint_pk IS NULL) <> (artifact_pk IS NULL)", name="of_one"),
    )

    pk: Mapped[int] = mapped_column(Big, primary_key=True)
    project_pk: Mapped[int] = mapped_column(ForeignKey("projects.pk", ondelete="CASCADE"))
    name: Mapped[str] = mapped_column(String(100))
    run_pk: Mapped[int] = mapped_column(ForeignKey("runs.pk", ondelete="CASCADE"), index=True)
    checkpoint_pk: Mapped[int | None] = mapped_column(ForeignKey("checkpoints.pk", ondelete="CASCADE"), index=True)
    artifact_pk: Mapped[int | None] = mapped_column(ForeignKey("artifacts.pk", ondelete="CASCADE"), index=True)
    user: Mapped[str] = mapped_column(String(100))
    at: Mapped[datetime]


class AliasMoveTable(Base):
    """One change of an alias: rows are added and never changed."""

    __tablename__ = "alias_moves"
    __table_args__ = (Index(None, "project_pk", "pk"),)

    pk: Mapped[int] = mapped_column(Big, primary_key=True)
    project_pk: Mapped[int] = mapped_column(ForeignKey("projects.pk", ondelete="CASCADE"))
    name: Mapped[str] = mapped_column(String(100))
    #: The targets, each an `AliasTarget`; null: none.
    before: Mapped[dict[str, Any] | None]
    after: Mapped[dict[str, Any] | None]
    user: Mapped[str] = mapped_column(String(100))
    at: Mapped[datetime]
