"""Tables of what other tools and MLflow's clients say of runs and projects, for which keepbest's own have no place."""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, ForeignKey, Index, String, Text, UniqueConstraint, false
from sqlalchemy.orm import Mapped, mapped_column

from tracker.models.base import Base
from tracker.models.types import Big


class ReportedRunTable(Base):
    """A run whose script reports by single requests, without a lease: what its shadow stopper knows."""

    __tablename__ = "reported_runs"

    run_pk: Mapped[int] = mapped_column(ForeignKey("runs.pk", ondelete="CASCADE"), primary_key=True)
    #: The metric to judge that a tag or parameters named; null: the first one whose name begins with `val_`.
    wanted: Mapped[str | None] = mapped_column(String(200))
    #: The metric that is judged; null before its first value.
    monitor: Mapped[str | None] = mapped_column(String(200))
    #: The state of the stopper after the newest value.
    stopper_state: Mapped[dict[str, Any] | None]
    #: Time in milliseconds, step and value of the newest value, so that one that is sent again is known.
    judged: Mapped[list[Any] | None]
    #: The run was set to running again after its end: an earlier step of the monitor then opens a segment.
    is_resumed: Mapped[bool] = mapped_column(server_default=false(), default=False)
    #: The run was imported: until it goes on here, its values come from its source alone.
    is_imported: Mapped[bool] = mapped_column(server_default=false(), default=False)


class ImportTable(Base):
    """A run that was imported: by which source it is found again, and how far it is judged."""

    __tablename__ = "imports"
    __table_args__ = (UniqueConstraint("project_pk", "kind", "source_digest"),)

    run_pk: Mapped[int] = mapped_column(ForeignKey("runs.pk", ondelete="CASCADE"), primary_key=True)
    #: The project into which it was imported; the run may have moved since.
    project_pk: Mapped[int] = mapped_column(Big)
    kind: Mapped[str] = mapped_column(String(20))
    #: SHA-256 of the source; null: the source made another run since.
    source_digest: Mapped[str | None] = mapped_column(String(64))
    is_complete: Mapped[bool] = mapped_column(server_default=false(), default=False)
    #: Segment and time of the monitor's newest value that is judged, and how many of that time are.
    judged: Mapped[list[Any] | None]


class ImportedMetricTable(Base):
    """How far a metric of an imported run has come: the count of its points, and the last one of them."""

    __tablename__ = "imported_metrics"

    run_pk: Mapped[int] = mapped_column(ForeignKey("runs.pk", ondelete="CASCADE"), primary_key=True)
    key: Mapped[str] = mapped_column(String(200), primary_key=True)
    count: Mapped[int] = mapped_column(BigInteger)
    segment: Mapped[int]
    step: Mapped[int] = mapped_column(BigInteger)
    value: Mapped[float]


class RunKeyedTagTable(Base):
    """One tag of a run that has a key: of any length, one value a key. Filters look for it as for other tags."""

    __tablename__ = "run_keyed_tags"
    __table_args__ = (Index(None, "project_pk", "key", "text", "run_pk"),)

    run_pk: Mapped[int] = mapped_column(ForeignKey("runs.pk", ondelete="CASCADE"), primary_key=True)
    key: Mapped[str] = mapped_column(String(250), primary_key=True)
    #: The run's project: here to be in an index with the values.
    project_pk: Mapped[int] = mapped_column(Big)
    #: The first characters of the value, which an index can hold, and those after them.
    text: Mapped[str] = mapped_column(String(300))
    rest: Mapped[str | None] = mapped_column(Text)


class RunDatasetTable(Base):
    """One data set that a run says it used."""

    __tablename__ = "run_datasets"
    __table_args__ = (Index(None, "project_pk", "name", "run_pk"),)

    run_pk: Mapped[int] = mapped_column(ForeignKey("runs.pk", ondelete="CASCADE"), primary_key=True)
    name: Mapped[str] = mapped_column(String(500), primary_key=True)
    digest: Mapped[str] = mapped_column(String(36), primary_key=True)
    #: What it was used for: `training`, `eval`; empty where nobody says.
    context: Mapped[str] = mapped_column(String(500))
    project_pk: Mapped[int] = mapped_column(Big)
    #: Source, schema, profile and further tags, as the client sent them.
    document: Mapped[dict[str, Any]]


class ProjectTagTable(Base):
    """One tag of a project, which MLflow calls an experiment."""

    __tablename__ = "project_tags"
    __table_args__ = (Index(None, "key"),)

    project_pk: Mapped[int] = mapped_column(ForeignKey("projects.pk", ondelete="CASCADE"), primary_key=True)
    key: Mapped[str] = mapped_column(String(250), primary_key=True)
    value: Mapped[str] = mapped_column(Text)
