"""What an import did, run by run."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from keepbest.contract.base import Answer
from keepbest.contract.origins import ForeignKind
from keepbest.contract.runs import Mode

#: `new`: the run was made. `grown`: it was there, and got what was new. `there`: nothing was new. `left_out`: see why.
#: `would_come`: only looked at.
ImportStatus = Literal["new", "grown", "there", "left_out", "would_come"]


class ImportOutcome(Answer):
    """What became of one run of a source.

    `points` and `files` count what the source has, `new_points` and `new_files` what came now. `is_guessed` says that
    nobody named the monitor. `left_out` says what was left out and why.
    """

    kind: ForeignKind
    source: str
    name: str
    status: ImportStatus
    project: str | None = None
    run: str | None = None
    number: int | None = None
    points: int = 0
    new_points: int = 0
    files: int = 0
    new_files: int = 0
    bytes: int = 0
    validations: int = 0
    monitor: str | None = None
    mode: Mode | None = None
    is_guessed: bool = False
    best_step: int | None = None
    best_value: float | None = None
    left_out: list[str] = Field(default_factory=list)


class ImportReport(Answer):
    """What an import did; `left_out` is what concerns no single run."""

    runs: list[ImportOutcome]
    left_out: list[str] = Field(default_factory=list)

    def count(self, status: ImportStatus) -> int:
        """Return how many runs ended so."""
        return sum(outcome.status == status for outcome in self.runs)
