"""The garbage collector of a store: it alone removes packs, once no checkpoint needs them.

What goes is said by whoever knows (`retention.decide`); here it is taken out through the trash, the trash is emptied
by age, and what nothing names is removed. Packs are removed while nobody writes, since a writer may just have decided
to share one. Killed at any moment, the next call finds what was left.
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

#: How long a checkpoint can be had back.
TRASH_AGE = timedelta(days=1)
#: How old a pack that nothing names must be. The lock alone would do where the file system has locks.
GRACE = timedelta(hours=1)
#: A write holds the store for a second or so.
WAIT_SECONDS = 5.0


@dataclass(frozen=True)
class Collected:
    """What was done; in a dry run, what would be. `freed_bytes` is what the removed files took."""

    trashed: list[tuple[str, str]] = field(default_factory=list)
    emptied: list[tuple[str, str]] = field(default_factory=list)
    orphans: list[str] = field(default_factory=list)
    freed_bytes: int = 0
    #: What more is free once the trash is emptied.
    waiting_bytes: int = 0
    #: Manifests that cannot be read: nobody knows what they need, so no pack was removed.
    damaged: list[str] = field(default_factory=list)
    #: Somebody wrote all the while; packs are removed the next time.
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
    """Take the `doomed` (run, checkpoint) out, empty the trash of what is older than `trash_age`, remove orphans.

    Pinned checkpoints stay, whoever says what. Raises StoreUnavailable where the store cannot be written.
    """
    going = [(run, id) for run, id in doomed if folder.manifest(run, id).is_file() and id not in folder.pins(run)]
    if not dry_run:
        going = [(run, id) for run, id in going if trash.put(folder, run, id, now)]
    old = [item for item in trash.items(folder) if now - item.at >= trash_age]
    with folder.explained():
        if dry_run:
            return _validation(folder, going, old, now - grace)
        with folder.alone(wait_seconds) as is_alone:
            if not is_alone:
                return Collected(trashed=going, busy=True)
            collected = _validation(folder, going, old, now - grace)
            _remove(folder, old if not collected.damaged else [], collected.orphans)
    return collected


def _validation(folder: Folder, going: list[tuple[str, str]], old: list[Trashed], before: datetime) -> Collected:
    """Return what goes. Everything is read anew: what was written since somebody looked last is needed too."""
    emptied = {item.path for item in old}
    leaving = {folder.manifest(run, id) for run, id in going} | {item.path for item in trash.items(folder)}
    named = _read_names(folder, emptied, leaving - emptied)
    if named.damaged:
        return Collected(trashed=going, damaged=sorted(named.damaged))
    contents = _contents(folder)
    orphans = {path for path, file in contents.items() if _may_go(path.stem, file, named, before)}
    return Collected(
        trashed=going,
        emptied=[(item.run, item.checkpoint) for item in old],
        orphans=sorted(path.name for path in orphans),
        freed_bytes=sum(_size(contents[path]) for path in orphans),
        waiting_bytes=sum(_size(file) for path, file in contents.items() if path.stem in named.leaving - named.kept),
    )


@dataclass
class _Named:
    """The digests that manifests name: of those that stay, that lie in the trash, that leave the trash now."""

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
            continue  # its trainer dropped it just now
        except CheckpointDamaged as error:
            named.damaged.append(error.message)
    return named


def _may_go(digest: str, file: os.stat_result, named: _Named, before: datetime) -> bool:
    """What a checkpoint gave free goes at once; what no checkpoint ever named only when it is old enough."""
    is_free = digest not in named.kept and digest not in named.leaving
    return is_free and (digest in named.emptied or file.st_mtime <= before.timestamp())


def _remove(folder: Folder, old: list[Trashed], orphans: list[str]) -> None:
    """Manifests first: a checkpoint without its packs would be a damaged one."""
    for item in old:
        trash.remove(item)
    for name in orphans:
        stem, _, suffix = name.partition(".")
        folder.content(stem, f".{suffix}").unlink(missing_ok=True)


def _contents(folder: Folder) -> dict[Path, os.stat_result]:
    """Return packs and networks; a file of another name is not ours to remove."""
    result = {}
    for path in folder.root.glob("objects/*/*"):
        if is_content(path):
            with suppress(FileNotFoundError):
                result[path] = path.stat()
    return result


def is_content(path: Path) -> bool:
    """Whether a file in objects/ is called as ours are."""
    is_digest = re.fullmatch(DIGEST_PATTERN, path.stem) is not None
    return is_digest and path.suffix in (".safetensors", ".json") and path.parent.name == path.stem[:2]


def _size(file: os.stat_result) -> int:
    """Return what a file takes on disk."""
    return file.st_blocks * 512
