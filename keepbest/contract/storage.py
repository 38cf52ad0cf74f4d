"""What checkpoints and artifacts take on disk, by project and kind, and the deleted runs that can be brought back."""

from __future__ import annotations

from pydantic import Field

from keepbest.contract.base import Answer, Count, Id, Moment, Page


class StorageRow(Answer):
    """The checkpoints of one kind on disk in one project, or its artifacts, whose kind is `artifact`.

    `deleted_bytes` are those of deleted runs, among `bytes`.
    """

    project: str
    kind: str
    checkpoints: Count = Field(description="how many checkpoints, or artifacts with their older versions")
    bytes: Count = Field(description="written to disk; what several share is counted once")
    pinned_bytes: Count = 0
    deleted_bytes: Count = 0


class Storage(Answer):
    """Every row, the largest first. `free_bytes` is the room left on the store's disk, null where it is not mounted."""

    rows: list[StorageRow]
    bytes: Count
    free_bytes: Count | None = None


class DeletedRun(Answer):
    """A deleted run. Its files leave the disk after `files_until`; its history can come back after that, too."""

    id: Id
    project: str
    number: int
    name: str
    deleted_at: Moment
    files_until: Moment
    bytes: Count = 0


class TrashPage(Page):
    """Deleted runs, the last deleted first."""

    runs: list[DeletedRun]
