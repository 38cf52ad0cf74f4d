"""Tables of a project's rules and of the validations that they have judged."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from tracker.models.base import Base
from tracker.models.types import Id


class ProjectRulesTable(Base):
    """The rules for the runs of a project; a null column is no rule."""

    __tablename__ = "project_rules"

    project_pk: Mapped[int] = mapped_column(ForeignKey("projects.pk", ondelete="CASCADE"), primary_key=True)
    stopper: Mapped[dict[str, Any] | None]
    median: Mapped[dict[str, Any] | None]
    max_steps: Mapped[int | None] = mapped_column(BigInteger)
    max_seconds: Mapped[float | None]
    set_by: Mapped[str] = mapped_column(String(100))
    set_at: Mapped[datetime]


class RuleProgressTable(Base):
    """How many validations of a run the rules have judged, and the stop command that a rule sent."""

    __tablename__ = "rule_progress"

    run_pk: Mapped[int] = mapped_column(ForeignKey("runs.pk", ondelete="CASCADE"), primary_key=True)
    validations: Mapped[int]
    command: Mapped[str | None] = mapped_column(Id)
