"""The trash: the manifests of deleted checkpoints and artifacts, in folders named by the time of the deletion.

Only manifests lie there, and the contents stay in the store. So deleting a checkpoint and putting it back moves one
small file; emptying the trash frees the bytes. A move holds the store's lock: otherwise gc could find a manifest in
neither place and remove its packs.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from keepbest.checkpoint.files.folder import Folder, sync_folder
from keepbest.contract.base import ID_PATTERN

_TIME = "%Y%m%dT%H%M%SZ"


@dataclass(frozen=True)
class Trashed:
    """One checkpoint in the trash."""

    run: str
    checkpoint: str
    at: datetime
    path: Path


def put(folder: Folder, run: str, checkpoint: str, now: datetime) -> bool:
    """Move a checkpoint to the trash; return False if it is not in its run (any more)."""
    return put_file(folder, folder.manifest(run, checkpoint), now)


def put_file(folder: Folder, source: Path, now: datetime) -> bool:
    """Move a manifest of any kind to the trash; return False if it is not in its run (any more)."""
    target = folder.root / "trash" / now.astimezone(UTC).strftime(_TIME) / source.parent.name / source.name
    if not source.is_file():
        return False
    with folder.writing():
        target.parent.mkdir(parents=True, exist_ok=True)
        return move(source, target)


def undo(folder: Folder, run: str, checkpoint: str | None = None) -> list[str]:
    """Put a run's checkpoints, or one of them, back into the run; return their ids."""
    deleted = [item for item in items(folder) if item.run == run and checkpoint in (None, item.checkpoint)]
    if not deleted:
        return []
    with folder.writing():
        for item in deleted:
            folder.run(run).mkdir(parents=True, exist_ok=True)
            move(item.path, folder.manifest(run, item.checkpoint))
    return [item.checkpoint for item in deleted]


def items(folder: Folder) -> Iterator[Trashed]:
    """Yield the checkpoints in the trash, oldest first, without files that keepbest did not put there."""
    for path in sorted(folder.root.glob("trash/*/*/*.json")):
        run, time = path.parent.name, path.parent.parent.name
        if re.match(ID_PATTERN, run) and re.match(ID_PATTERN, path.stem):
            with suppress(ValueError):
                yield Trashed(run, path.stem, read_time(time), path)


def read_time(name: str) -> datetime:
    """Return the time that a folder of the trash is named by; raises ValueError for another name."""
    return datetime.strptime(name, _TIME).replace(tzinfo=UTC)


def remove(path: Path) -> None:
    """Remove a manifest from the trash for good, and the folders that this leaves empty."""
    path.unlink(missing_ok=True)
    for folder in path.parents[:2]:
        with suppress(OSError):
            folder.rmdir()


def move(source: Path, target: Path) -> bool:
    """Move a manifest, durably; the caller holds the store's lock. Return False if it is not there (any more)."""
    try:
        source.rename(target)
    except FileNotFoundError:
        return False  # another process was quicker
    for folder in (target.parent, source.parent):
        sync_folder(folder)
    return True
