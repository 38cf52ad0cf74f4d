"""The tables, without queries or rules beyond the database's own constraints.

Inside the database a run is an integer (`runs.pk`), so that a million metric rows stay small; its public name is
`runs.id`. Migrations are generated from this package, and tests compare both on each database.
"""

from tracker.models.aliases import AliasMoveTable, AliasTable
from tracker.models.artifacts import ArtifactTable
from tracker.models.base import NAMING, Base
from tracker.models.checkpoint_files import CheckpointFileTable
from tracker.models.kept import BundleTable, CheckpointTable, CommandTable, ReceiptTable, TestResultTable
from tracker.models.measured import (
    LogPieceTable,
    MetricChunkTable,
    MetricSummaryTable,
    PanelTable,
    ValidationExamplesTable,
    ValidationTable,
)
from tracker.models.people import AuditEntryTable, CredentialTable, EventTable, UserTable, WorkerTable
from tracker.models.registry import (
    LoggedModelTable,
    ModelAliasTable,
    ModelVersionTable,
    RegisteredModelTable,
    RunModelTable,
)
from tracker.models.reported import (
    ImportedMetricTable,
    ImportTable,
    ProjectTagTable,
    ReportedRunTable,
    RunDatasetTable,
    RunKeyedTagTable,
)
from tracker.models.rules import ProjectRulesTable, RuleProgressTable
from tracker.models.runs import (
    LeaseTable,
    ProjectTable,
    RunParameterTable,
    RunProvenanceTable,
    RunTable,
    RunTagTable,
    SegmentTable,
    WriterTable,
)
from tracker.models.shares import ShareTable
from tracker.models.sweeps import RungTable, SweepTable, TrialTable
from tracker.models.views import ViewTable

__all__ = [
    "NAMING",
    "AliasMoveTable",
    "AliasTable",
    "ArtifactTable",
    "AuditEntryTable",
    "Base",
    "BundleTable",
    "CheckpointFileTable",
    "CheckpointTable",
    "CommandTable",
    "CredentialTable",
    "EventTable",
    "ImportTable",
    "ImportedMetricTable",
    "LeaseTable",
    "LogPieceTable",
    "LoggedModelTable",
    "MetricChunkTable",
    "MetricSummaryTable",
    "ModelAliasTable",
    "ModelVersionTable",
    "PanelTable",
    "ProjectRulesTable",
    "ProjectTable",
    "ProjectTagTable",
    "ReceiptTable",
    "RegisteredModelTable",
    "ReportedRunTable",
    "RuleProgressTable",
    "RunDatasetTable",
    "RunKeyedTagTable",
    "RunModelTable",
    "RunParameterTable",
    "RunProvenanceTable",
    "RunTable",
    "RunTagTable",
    "RungTable",
    "SegmentTable",
    "ShareTable",
    "SweepTable",
    "TestResultTable",
    "TrialTable",
    "UserTable",
    "ValidationExamplesTable",
    "ValidationTable",
    "ViewTable",
    "WorkerTable",
    "WriterTable",
]
