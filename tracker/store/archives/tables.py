"""Which tables belong to a run, which to a project, and why the others to neither. A test holds this complete."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Column, Table

from tracker import models


@dataclass(frozen=True)
class ArchivedTable:
    """A table of an archive; `without` are the columns that stay where the run is. `order` sorts its rows."""

    model: Any
    without: frozenset[str] = frozenset()
    order: tuple[str, ...] = ("pk",)

    @property
    def table(self) -> Table:
        table: Table = self.model.__table__
        return table

    @property
    def name(self) -> str:
        return self.table.name

    @property
    def columns(self) -> list[Column[Any]]:
        """The columns that go into the archive."""
        return [column for column in self.table.columns if column.name not in self.without | _KEYS]


#: Columns by which rows of one database name each other.
_KEYS = frozenset({"pk", "run_pk", "project_pk"})
#: What of a run's row belongs to the tracker that it is on: lease, worker, sweep, trash, the request that made it.
_LOCAL = frozenset({
    "sweep_pk", "top_rung", "idempotency_key", "deleted_at", "lease_digest", "lease_expires_at", "worker_id", "memory",
    "stalled_since", "queue_place",
})  # fmt: skip

RUN = ArchivedTable(models.RunTable, _LOCAL)
#: The tables of a run, in the order in which they are read and written.
OF_RUN: tuple[ArchivedTable, ...] = (
    RUN,
    ArchivedTable(models.SegmentTable, order=("number",)),
    ArchivedTable(models.RunProvenanceTable, order=("run_pk",)),
    ArchivedTable(models.RunParameterTable, order=("key",)),
    ArchivedTable(models.RunTagTable, order=("tag",)),
    ArchivedTable(models.RunKeyedTagTable, order=("key",)),
    ArchivedTable(models.RunDatasetTable, order=("name", "digest")),
    ArchivedTable(models.ReportedRunTable, frozenset({"is_imported"}), order=("run_pk",)),
    ArchivedTable(models.LeaseTable, frozenset({"digest", "worker_id", "request"})),
    ArchivedTable(models.ValidationTable),
    ArchivedTable(models.ValidationExamplesTable),
    ArchivedTable(models.MetricSummaryTable, order=("key",)),
    ArchivedTable(models.MetricChunkTable),
    ArchivedTable(models.PanelTable),
    ArchivedTable(models.LogPieceTable),
    ArchivedTable(models.CommandTable),
    ArchivedTable(models.CheckpointTable, frozenset({"location", "store", "is_gone", "written_bytes"})),
    ArchivedTable(models.ReceiptTable),
    ArchivedTable(models.TestResultTable),
    ArchivedTable(models.ArtifactTable, frozenset({"written_bytes"})),
    ArchivedTable(models.RuleProgressTable, order=("run_pk",)),
    ArchivedTable(models.EventTable, frozenset({"seq", "project", "run"}), order=("seq",)),
)
#: The tables of a project.
OF_PROJECT: tuple[ArchivedTable, ...] = (
    ArchivedTable(models.ProjectTable, frozenset({"name", "next_number", "archived_at", "deleted_at"})),
    ArchivedTable(models.ProjectTagTable, order=("key",)),
    ArchivedTable(models.ProjectRulesTable, frozenset({"set_by"}), order=("project_pk",)),
    ArchivedTable(models.ViewTable, frozenset({"created_by"})),
)
#: Tables that are in no archive as rows, each with the reason.
NOT_OF_A_RUN: dict[str, str] = {
    "bundles": "code that many runs share: its bytes go by their digest, as bundles/<digest>.zip",
    "users": "people have accounts of their own on each tracker",
    "credentials": "secrets never leave",
    "workers": "a worker belongs to the tracker that it says hello to; a run's row has the worker's name",
    "audit_log": "who did what on that tracker; the import is recorded in the other one's",
    "shares": "a link is opened by a credential of that tracker",
    "writers": "which batches that tracker has taken; an ended run gets no more",
    "aliases": "names of a project: what is the champion there is for its people to say, and an import moves no name",
    "alias_moves": "who gave those names to what: as for aliases",
    "checkpoint_files": "which validation a file of a checkpoint belongs to: the file goes as an artifact, without it",
    "logged_models": "the model registry is that of a tracker: a model's files go as artifacts of their run",
    "run_models": "which models a run used and made: as for logged_models",
    "registered_models": "as for logged_models",
    "model_versions": "as for logged_models",
    "model_aliases": "as for logged_models",
    "imports": "a source is imported again where it was imported first; elsewhere the run takes no more from it",
    "imported_metrics": "how far a source has come: as for imports",
    "sweeps": "a sweep makes runs where it is; a run's spec says the trial and its parameters",
    "trials": "which run of a sweep is which: as for sweeps",
    "rungs": "where runs of a sweep pause: as for sweeps",
}
EVENTS = models.EventTable.__tablename__
