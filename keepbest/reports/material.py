"""What a report is made of: a run, its validations, its receipts, and how many runs were searched; or a sweep."""

from __future__ import annotations

from dataclasses import dataclass

from keepbest.contract.checkpoints import Receipt
from keepbest.contract.runs import RecordedTestResult, Run
from keepbest.contract.sweeps import SweepImportance, SweepRuns
from keepbest.contract.validations import RecordedValidation


@dataclass(frozen=True)
class Material:
    """`searched` counts the runs of the project that watched the same metric on the same data, deleted ones too."""

    run: Run
    validations: tuple[RecordedValidation, ...]
    receipts: tuple[Receipt, ...]
    test_results: tuple[RecordedTestResult, ...]
    searched: int


@dataclass(frozen=True)
class SweepMaterial:
    """A sweep with its runs, what mattered, and the run of its best."""

    known: SweepRuns
    importance: SweepImportance
    best: Run | None
