"""The tables, and nothing else: no queries, no rules beyond what the database itself can hold.

Inside the database a run is an integer (`runs.pk`), so that a million metric rows stay small; its public name is
`runs.id`. Migrations are made from this package and checked against it on both databases.
"""

from tracker.models.base import NAMING, Base
from tracker.models.kept import Bundle, Checkpoint, Command, Evaluation, Receipt
from tracker.models.measured import LogPiece, Look, LookExamples, MetricChunk, MetricSummary, Panel
from tracker.models.people import AuditEntry, Credential, Event, User, Worker
from tracker.models.rules import ProjectRules, Ruling
from tracker.models.runs import Lease, Project, Run, Segment, Writer
from tracker.models.sweeps import Rung, Sweep, Trial

__all__ = [
    "NAMING",
    "AuditEntry",
    "Base",
    "Bundle",
    "Checkpoint",
    "Command",
    "Credential",
    "Evaluation",
    "Event",
    "Lease",
    "LogPiece",
    "Look",
    "LookExamples",
    "MetricChunk",
    "MetricSummary",
    "Panel",
    "Project",
    "ProjectRules",
    "Receipt",
    "Ruling",
    "Run",
    "Rung",
    "Segment",
    "Sweep",
    "Trial",
    "User",
    "Worker",
    "Writer",
]
