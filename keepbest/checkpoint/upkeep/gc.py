"""The garbage collector of a store: removes packs that no checkpoint needs any more.

The caller says which checkpoints go (`retention.decide`). The collector moves them to the trash, empties the trash by
age, and removes the packs that no manifest names. It removes packs only while nobody writes, because a writer may just
have decided to share one. If it is killed, the next call does the rest.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from keepbest.checkpoint.files import trash
from keepbest.checkpoint.files.folder import Folder
from keepbest.checkpoint.files.trash import Trashed
from keepbest.checkpoint.manifest import names_in
from keepbest.contract.base import DIGEST_PATTERN
from keepbest.errors import CheckpointDamaged

#: How long a deleted checkpoint can be put back.
TRASH_AGE = timedelta(days=1)
#: The least age of a pack that no manifest names. It protects writers on file systems without locks.
GRACE = timedelta(hours=1)
#: How long to wait for writers: a write takes about a second.
WAIT_SECONDS = 5.0


@dataclass(frozen=True)
class Collected:
    """What gc did, or would do in a dry run. `freed_bytes` are those of the removed files."""

    trashed: list[tuple[str, str]] = field(default_factory=list)
    emptied: list[tuple[str, str]] = field(default_factory=list)
    orphans: list[str] = field(default_factory=list)
    freed_bytes: int = 0
    #: The bytes that emptying the trash would free.
    waiting_bytes: int = 0
    #: Manifests that cannot be read. They might need any pack, so gc removed none.
    damaged: list[str] = field(default_factory=list)
    #: Somebody was writing for all of `wait_seconds`; the next call removes packs.
    busy: bool = False


def collect(
    folder: Folder,
    doomed: Iterable[tuple[str, str]] = (),
    *,
    now: datetime,
    trash_age: timedelta = TRASH_AGE,
    grace: timedelta = GRACE,
    dry_run: bool = False,
    wait_seconds: float = WAIT_SECONDS,
) -> Collected:
    """Move the `doomed` (run, checkpoint) to the trash, empty it of those older than `trash_age`, remove orphans.

    Pinned checkpoints always stay. Raises StoreUnavailable if the store cannot be written.
    """
    going = [(run, id) for run, id in doomed if folder.manifest(run, id).is_file() and id not in folder.pins(run)]
    if not dry_run:
        going = [(run, id) for run, id in going if trash.put(folder, run, id, now)]
    old = [item for item in trash.items(folder) if now - item.at >= trash_age]
    with folder.explained():
        if dry_run:
            return _survey(folder, going, old, now - grace)
        with folder.alone(wait_seconds) as is_alone:
            if not is_alone:
                return Collected(trashed=going, busy=True)
            collected = _survey(folder, going, old, now - grace)
            _remove(folder, old if not collected.damaged else [], collected.orphans)
    return collected


def _survey(folder: Folder, going: list[tuple[str, str]], old: list[Trashed], before: datetime) -> Collected:
    """Return what gc may remove. It reads all manifests again, because writers may have added some."""
    emptied = {item.path for item in old}
    leaving = {folder.manifest(run, id) for run, id in going} | {item.path for item in trash.items(folder)}
    named = _read_names(folder, emptied, leaving - emptied)
    if named.damaged:
        return Collected(trashed=going, damaged=sorted(named.damaged))
    contents = _contents(folder)
    free = {path: file for path, file in contents.items() if path.stem not in named.kept | named.leaving}
    # A pack that a checkpoint has just freed goes at once, but one that no checkpoint ever named only if it is old.
    orphans = {path for path, file in free.items() if path.stem in named.emptied or file.st_mtime <= before.timestamp()}
    return Collected(
        trashed=going,
        emptied=[(item.run, item.checkpoint) for item in old],
        orphans=sorted(path.name for path in orphans),
        freed_bytes=sum(_size(contents[path]) for path in orphans),
        waiting_bytes=sum(_size(file) for path, file in contents.items() if path.stem in named.leaving - named.kept),
    )


@dataclass
class _Named:
    """The digests that manifests name: of kept checkpoints, of those that stay in the trash, of those that leave it."""

    kept: set[str] = field(default_factory=set)
    leaving: set[str] = field(default_factory=set)
    emptied: set[str] = field(default_factory=set)
    damaged: list[str] = field(default_factory=list)


def _read_names(folder: Folder, emptied: set[Path], leaving: set[Path]) -> _Named:
    named = _Named()
    for path in folder.manifests():
        group = named.emptied if path in emptied else named.leaving if path in leaving else named.kept
        try:
            group.update(names_in(path.read_bytes(), path.stem))
        except FileNotFoundError:
            continue  # the run's trainer has just dropped it
        except CheckpointDamaged as error:
            named.damaged.append(error.message)
    return named


def _remove(folder: Folder, old: list[Trashed], orphans: list[str]) -> None:
    """Remove manifests, then packs: a manifest without its packs would be a damaged checkpoint."""
    for item in old:
        trash.remove(item)
    for name in orphans:
        stem, _, suffix = name.partition(".")
        folder.content(stem, f".{suffix}").unlink(missing_ok=True)


def _contents(folder: Folder) -> dict[Path, os.stat_result]:
    """Return the packs and networks of the store, without files of other names, which are not keepbest's."""
    result = {}
    for path in folder.root.glob("objects/*/*"):
        if is_content(path):
            with suppress(FileNotFoundError):
                result[path] = path.stat()
    return result


def is_content(path: Path) -> bool:
    """Whether a file in objects/ has the name of a pack or a network."""
    is_digest = re.fullmatch(DIGEST_PATTERN, path.stem) is not None
    return is_digest and path.suffix in (".safetensors", ".json") and path.parent.name == path.stem[:2]


def _size(file: os.stat_result) -> int:
    """Return the bytes that a file takes on disk."""
    return file.st_blocks * 512
