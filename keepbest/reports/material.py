"""The data of a report: a run with its validations, receipts and number of searched runs; or a sweep."""

from __future__ import annotations

from dataclasses import dataclass

from keepbest.contract.checkpoints import Receipt
from keepbest.contract.runs import RecordedTestResult, Run
from keepbest.contract.sweeps import SweepImportance, SweepRuns
from keepbest.contract.validations import RecordedValidation


@dataclass(frozen=True)
class Material:
    """`searched` counts the project's runs with the same metric on the same data, including deleted runs.

    It is None for a reader who may not know how many there are.
    """

    run: Run
    validations: tuple[RecordedValidation, ...]
    receipts: tuple[Receipt, ...]
    test_results: tuple[RecordedTestResult, ...]
    searched: int | None


@dataclass(frozen=True)
class SweepMaterial:
    """A sweep with its runs, the importance of its parameters, and its best run."""

    known: SweepRuns
    importance: SweepImportance
    best: Run | None
