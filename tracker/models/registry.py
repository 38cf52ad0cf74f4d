"""Tables of models that scripts log, and of the registry that gives them names and versions."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from tracker.models.base import Base
from tracker.models.types import Big


class LoggedModelTable(Base):
    """A model that a script logged; its files are artifacts of a run."""

    __tablename__ = "logged_models"
    __table_args__ = (Index(None, "project_pk", "pk"), Index(None, "run_pk"))

    pk: Mapped[int] = mapped_column(Big, primary_key=True)
    id: Mapped[str] = mapped_column(String(40), unique=True)
    project_pk: Mapped[int] = mapped_column(ForeignKey("projects.pk", ondelete="CASCADE"))
    #: The run that has the files.
    run_pk: Mapped[int] = mapped_column(ForeignKey("runs.pk", ondelete="CASCADE"))
    #: The run was named by the script; otherwise it was made for the model.
    is_of_run: Mapped[bool]
    name: Mapped[str] = mapped_column(String(500))
    model_type: Mapped[str] = mapped_column(String(500))
    status: Mapped[str] = mapped_column(String(40))
    parameters: Mapped[dict[str, Any]]
    tags: Mapped[dict[str, Any]]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    deleted_at: Mapped[datetime | None]


class RunModelTable(Base):
    """A logged model that a run says it made, at a step."""

    __tablename__ = "run_models"

    run_pk: Mapped[int] = mapped_column(ForeignKey("runs.pk", ondelete="CASCADE"), primary_key=True)
    model_pk: Mapped[int] = mapped_column(ForeignKey("logged_models.pk", ondelete="CASCADE"), primary_key=True)
    step: Mapped[int] = mapped_column(Big)


class RegisteredModelTable(Base):
    """A name of the registry, under which versions of a model are kept."""

    __tablename__ = "registered_models"

    pk: Mapped[int] = mapped_column(Big, primary_key=True)
    name: Mapped[str] = mapped_column(String(200), unique=True)
    description: Mapped[str | None] = mapped_column(Text)
    tags: Mapped[dict[str, Any]]
    #: The number of the next version: none is given twice.
    next_version: Mapped[int]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class ModelVersionTable(Base):
    """One version of a registered model: where its files are."""

    __tablename__ = "model_versions"
    __table_args__ = (UniqueConstraint("model_pk", "version"), Index(None, "holder_pk"))

    pk: Mapped[int] = mapped_column(Big, primary_key=True)
    model_pk: Mapped[int] = mapped_column(ForeignKey("registered_models.pk", ondelete="CASCADE"))
    version: Mapped[int]
    description: Mapped[str | None] = mapped_column(Text)
    tags: Mapped[dict[str, Any]]
    #: What the client named, and where the files are.
    source: Mapped[str] = mapped_column(Text)
    location: Mapped[str] = mapped_column(Text)
    run: Mapped[str | None] = mapped_column(String(256))
    run_link: Mapped[str | None] = mapped_column(Text)
    logged_model: Mapped[str | None] = mapped_column(String(40))
    #: The run that has the files, where this tracker has them.
    holder_pk: Mapped[int | None] = mapped_column(ForeignKey("runs.pk", ondelete="SET NULL"))
    stage: Mapped[str] = mapped_column(String(20))
    user: Mapped[str] = mapped_column(String(100))
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class ModelAliasTable(Base):
    """A name of one version of a registered model."""

    __tablename__ = "model_aliases"

    model_pk: Mapped[int] = mapped_column(ForeignKey("registered_models.pk", ondelete="CASCADE"), primary_key=True)
    alias: Mapped[str] = mapped_column(String(255), primary_key=True)
    version: Mapped[int]
