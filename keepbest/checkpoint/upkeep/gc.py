"""The garbage collector of a store: removes contents that no checkpoint and no artifact needs any more.

The caller says which checkpoints and artifacts go (`retention.decide`). The collector moves them to the trash, empties
the trash by age, and removes the contents that no manifest names. It removes contents only while nobody writes, because
a writer may just have decided to share one. If it is killed, the next call does the rest.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path

from keepbest.checkpoint.files import artifacts, trash
from keepbest.checkpoint.files.artifacts import Mark
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
    #: The artifacts among what went to the trash, and among what left it.
    trashed_artifacts: list[tuple[str, str]] = field(default_factory=list)
    emptied_artifacts: list[tuple[str, str]] = field(default_factory=list)
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
    doomed_artifacts: Iterable[Mark] = (),
    now: datetime,
    trash_age: timedelta = TRASH_AGE,
    grace: timedelta = GRACE,
    dry_run: bool = False,
    wait_seconds: float = WAIT_SECONDS,
) -> Collected:
    """Move what is `doomed` to the trash, empty it of what is older than `trash_age`, remove orphans.

    Pinned checkpoints always stay. Raises StoreUnavailable if the store cannot be written.
    """
    going = [(run, id) for run, id in doomed if folder.manifest(run, id).is_file() and id not in folder.pins(run)]
    leaving = list(doomed_artifacts)
    if not dry_run:
        going = [(run, id) for run, id in going if trash.put(folder, run, id, now)]
        leaving = [mark for mark in leaving if trash.put_file(folder, mark.path, now)]
    before = now - trash_age
    old = [item for item in trash.items(folder) if item.at <= before]
    old_marks = [mark for mark in artifacts.trashed_marks(folder) if mark.deleted_at and mark.deleted_at <= before]
    plan = _CollectionPlan(going, leaving, old, old_marks)
    with folder.explained():
        if dry_run:
            return _survey(folder, plan, now - grace)
        with folder.alone(wait_seconds) as is_alone:
            if not is_alone:
                return Collected(trashed=going, trashed_artifacts=_references(leaving), busy=True)
            collected = _survey(folder, plan, now - grace)
            _remove(folder, plan.emptied if not collected.damaged else set(), collected.orphans)
    return collected


@dataclass(frozen=True)
class _CollectionPlan:
    """Checkpoints and artifacts that go to the trash, and those that leave it for good."""

    going: list[tuple[str, str]]
    going_artifacts: list[Mark]
    old: list[Trashed]
    old_artifacts: list[Mark]

    @property
    def emptied(self) -> set[Path]:
        return {item.path for item in self.old} | {mark.path for mark in self.old_artifacts}

    def leaving(self, folder: Folder) -> set[Path]:
        """Return the manifests that go to the trash or stay there."""
        going = {folder.manifest(run, id) for run, id in self.going} | {mark.path for mark in self.going_artifacts}
        there = {item.path for item in trash.items(folder)} | {mark.path for mark in artifacts.trashed_marks(folder)}
        return (going | there) - self.emptied


def _references(marks: Sequence[Mark]) -> list[tuple[str, str]]:
    return [(mark.run, mark.artifact) for mark in marks]


def _survey(folder: Folder, plan: _CollectionPlan, before: datetime) -> Collected:
    """Return what gc may remove. It reads all manifests again, because writers may have added some."""
    named = _read_names(folder, plan.emptied, plan.leaving(folder))
    told = Collected(trashed=plan.going, trashed_artifacts=_references(plan.going_artifacts))
    if named.damaged:
        return replace(told, damaged=sorted(named.damaged))
    contents = _contents(folder)
    free = {path: file for path, file in contents.items() if path.stem not in named.kept | named.leaving}
    # A pack that a checkpoint has just freed goes at once, but one that no checkpoint ever named only if it is old.
    orphans = {path for path, file in free.items() if path.stem in named.emptied or file.st_mtime <= before.timestamp()}
    return replace(
        told,
        emptied=[(item.run, item.checkpoint) for item in plan.old],
        emptied_artifacts=_references(plan.old_artifacts),
        orphans=sorted(path.name for path in orphans),
        freed_bytes=sum(_size(contents[path]) for path in orphans),
        waiting_bytes=sum(_size(file) for path, file in contents.items() if path.stem in named.leaving - named.kept),
    )


@dataclass
class _Named:
    """The digests that manifests name: of what is kept, of what stays in the trash, of what leaves it."""

    kept: set[str] = field(default_factory=set)
    leaving: set[str] = field(default_factory=set)
    emptied: set[str] = field(default_factory=set)
    damaged: list[str] = field(default_factory=list)


def _read_names(folder: Folder, emptied: set[Path], leaving: set[Path]) -> _Named:
    named = _Named()

    def group_of(path: Path) -> set[str]:
        return named.emptied if path in emptied else named.leaving if path in leaving else named.kept

    for mark in (*artifacts.marks(folder), *artifacts.trashed_marks(folder)):
        group_of(mark.path).add(mark.digest)
    for path in folder.manifests():
        try:
            group_of(path).update(names_in(path.read_bytes(), path.stem))
        except FileNotFoundError:
            continue  # the run's trainer has just dropped it
        except CheckpointDamaged as error:
            named.damaged.append(error.message)
    return named


def _remove(folder: Folder, emptied: set[Path], orphans: list[str]) -> None:
    """Remove manifests, then contents: a manifest without its contents would be a damaged checkpoint."""
    for path in sorted(emptied):
        trash.remove(path)
    for name in orphans:
        stem, _, suffix = name.partition(".")
        folder.content(stem, f".{suffix}").unlink(missing_ok=True)


def _contents(folder: Folder) -> dict[Path, os.stat_result]:
    """Return the contents of the store, without files of other names, which are not keepbest's."""
    result = {}
    for path in folder.root.glob("objects/*/*"):
        if is_content(path):
            with suppress(FileNotFoundError):
                result[path] = path.stat()
    return result


def is_content(path: Path) -> bool:
    """Whether a file in objects/ has the name of a pack, a network or an artifact's file."""
    is_digest = re.fullmatch(DIGEST_PATTERN, path.stem) is not None
    is_known = path.suffix in (".safetensors", ".json", artifacts.CONTENT)
    return is_digest and is_known and path.parent.name == path.stem[:2]


def _size(file: os.stat_result) -> int:
    """Return the bytes that a file takes on disk."""
    return file.st_blocks * 512
