"""Runs that came in an archive, and how an archive is brought to a tracker."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from keepbest.contract.base import Answer, Count, Digest, Id, Moment, Shape
from keepbest.contract.names import Name

#: Bytes of an archive that one request brings.
PIECE_BYTES = 8 * 2**20


class ArchiveInfo(Answer):
    """Where a run came from that came in an archive: who made it, its number there, and the archive's digest."""

    author: str
    number: int
    archive: Digest
    at: Moment


class ArchivePiece(Answer):
    """How many bytes of an archive the tracker has; the next ones begin there."""

    archive: Digest
    received: Count


class ArchiveRequest(Shape):
    """Bring what an archive holds into a project: that of the archive, or another one."""

    project: Name | None = None


class ArchiveOutcome(Answer):
    """A run of an archive: it came (`imported`), or was here already (`known`)."""

    id: Id
    name: str
    project: str
    number: int
    outcome: Literal["imported", "known"]
    checkpoints: int = Field(default=0, description="checkpoints whose files came with it")
    artifacts: int = Field(default=0, description="files of the run that came with it")


class ArchiveImport(Answer):
    """What an archive brought, and in `notes` what it did not."""

    runs: list[ArchiveOutcome]
    notes: list[str] = Field(default_factory=list)
