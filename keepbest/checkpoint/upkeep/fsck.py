"""Checks a whole store for damaged, missing and needless files, and moves faulty files aside.

A fault of a pack or a network names the checkpoints that cannot be loaded because of it, and a fault of an artifact's
file the artifacts. A needless file is no fault:
gc removes orphans, and the next writer sweeps the leftovers of the last.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from blake3 import blake3

from keepbest.checkpoint import load
from keepbest.checkpoint.files import artifacts, pack
from keepbest.checkpoint.files.artifacts import Mark
from keepbest.checkpoint.files.folder import Folder, sync_folder
from keepbest.checkpoint.manifest import MAX_MANIFEST_BYTES, Manifest, decode
from keepbest.checkpoint.upkeep.gc import is_content
from keepbest.contract.base import ID_PATTERN
from keepbest.errors import CheckpointDamaged, CheckpointError

Kind = Literal["damaged", "missing", "misplaced", "orphan", "leftover"]
FAULTS: frozenset[Kind] = frozenset({"damaged", "missing", "misplaced"})


@dataclass(frozen=True)
class StoreFault:
    """One finding. `path` is relative to the store; `checkpoints` and `artifacts` cannot be loaded because of it."""

    kind: Kind
    path: str
    what: str
    checkpoints: tuple[str, ...] = ()
    artifacts: tuple[str, ...] = ()

    @property
    def is_fault(self) -> bool:
        return self.kind in FAULTS


@dataclass
class StoreHealth:
    """The result of a store check."""

    checkpoints: int = 0
    artifacts: int = 0
    bytes_read: int = 0
    findings: list[StoreFault] = field(default_factory=list)

    @property
    def is_whole(self) -> bool:
        return not any(finding.is_fault for finding in self.findings)


def check(
    folder: Folder,
    expected: Iterable[tuple[str, str]] = (),
    *,
    expected_artifacts: Iterable[tuple[str, str]] = (),
    on_file: Callable[[Path], object] = lambda path: None,
) -> StoreHealth:
    """Read every byte of the store and check its digests.

    `expected` are the (run, checkpoint) pairs that the caller knows to be here, `expected_artifacts` the (run,
    artifact) pairs: a lost manifest leaves no trace in the store but orphans. `on_file` gets each path before the check
    reads the file.

    Raises NotTheStore if the folder is not the store that it was.
    """
    folder.identity.check()
    health = StoreHealth()
    manifests = list(_read_manifests(folder, health, on_file))
    marks = list(_read_marks(folder, health, on_file))
    bad = _check_contents(folder, manifests, marks, health, on_file)
    _check_values(folder, manifests, bad, health)
    there = {(path.parent.name, path.stem) for path in folder.manifests()}
    for run, checkpoint in sorted(set(expected) - there):
        path = folder.manifest(run, checkpoint)
        health.findings.append(StoreFault("missing", _shown(folder, path), "Its manifest is gone.", (checkpoint,)))
    present = {(mark.run, mark.artifact) for mark in _all_marks(folder)}
    for run, artifact in sorted(set(expected_artifacts) - present):
        what = f"The manifest of artifact {artifact} is gone."
        health.findings.append(StoreFault("missing", f"artifacts/{run}", what, artifacts=(artifact,)))
    health.findings.extend(_find_leftovers(folder))
    return health


def repair(folder: Folder, health: StoreHealth, now: datetime) -> list[str]:
    """Move damaged files, and manifests that cannot be loaded, into aside/<time>/; return their names.

    This deletes nothing. The checkpoints and artifacts that are left can be loaded. Raises StoreUnavailable if the
    store cannot be written.
    """
    aside = folder.root / "aside" / now.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
    lost = {checkpoint for finding in health.findings if finding.is_fault for checkpoint in finding.checkpoints}
    bad = {finding.path for finding in health.findings if finding.is_fault}
    bad |= {_shown(folder, path) for path in folder.manifests() if path.stem in lost}
    lost_artifacts = {id for finding in health.findings if finding.is_fault for id in finding.artifacts}
    bad |= {_shown(folder, mark.path) for mark in _all_marks(folder) if mark.artifact in lost_artifacts}
    with folder.writing():
        return [name for name in sorted(bad) if _move(folder.root / name, aside / name)]


def _move(source: Path, target: Path) -> bool:
    if not source.is_file():
        return False
    target.parent.mkdir(parents=True, exist_ok=True)
    source.rename(target)
    for folder in (target.parent, source.parent):
        sync_folder(folder)
    return True


# Manifests


def _read_manifests(folder: Folder, health: StoreHealth, on_file: Callable[[Path], object]) -> Iterator[Manifest]:
    """Yield the sound manifests; the others become findings."""
    for path in sorted(folder.manifests()):
        on_file(path)
        health.checkpoints += 1
        try:
            data = _read(path, MAX_MANIFEST_BYTES)
            manifest, _ = decode(data, path.stem)
        except FileNotFoundError:
            continue  # the run's trainer has just dropped it
        except (CheckpointError, OSError) as error:
            health.findings.append(StoreFault("damaged", _shown(folder, path), _words(error), (path.stem,)))
            continue
        health.bytes_read += len(data)
        if (manifest.run, manifest.id) == (path.parent.name, path.stem):
            yield manifest
        else:
            what = f"It is the manifest of {manifest.run}/{manifest.id}."
            health.findings.append(StoreFault("misplaced", _shown(folder, path), what, (path.stem,)))


def _all_marks(folder: Folder) -> list[Mark]:
    return [*artifacts.marks(folder), *artifacts.trashed_marks(folder)]


def _read_marks(folder: Folder, health: StoreHealth, on_file: Callable[[Path], object]) -> Iterator[Mark]:
    """Yield what the manifests of artifacts name; damaged and misplaced manifests become findings."""
    for mark in sorted(_all_marks(folder), key=lambda mark: mark.path):
        on_file(mark.path)
        health.artifacts += 1
        try:
            manifest = artifacts.read_manifest(mark.path)
        except FileNotFoundError:
            continue  # gc has just moved it
        except (CheckpointError, OSError) as error:
            health.findings.append(
                StoreFault("damaged", _shown(folder, mark.path), _words(error), artifacts=(mark.artifact,))
            )
            continue
        health.bytes_read += _size_of(mark.path)
        if (manifest.run, manifest.id, manifest.digest) == (mark.run, mark.artifact, mark.digest):
            yield mark
        else:
            what = f"It is the manifest of artifact {manifest.id} of run {manifest.run}."
            health.findings.append(StoreFault("misplaced", _shown(folder, mark.path), what, artifacts=(mark.artifact,)))


# Contents


def _check_contents(
    folder: Folder,
    manifests: list[Manifest],
    marks: list[Mark],
    health: StoreHealth,
    on_file: Callable[[Path], object],
) -> set[str]:
    """Check every content by itself; return the digests of those that are damaged or missing."""
    users = _users_of(manifests)
    holders = _holders_of(marks)
    there = {(path.stem, path.suffix): path for path in sorted(folder.root.glob("objects/*/*")) if is_content(path)}
    bad: set[str] = set()
    for key, path in there.items():
        on_file(path)
        fault = _fault_in(path)
        health.bytes_read += _size_of(path)
        if fault is not None:
            bad.add(path.stem)
            who = (users.get(key, ()), holders.get(key, ()))
            health.findings.append(StoreFault("damaged", _shown(folder, path), fault, *who))
        elif key not in users and key not in holders and not _is_named_meanwhile(folder, path):
            health.findings.append(StoreFault("orphan", _shown(folder, path), "Nothing needs it."))
    for key in sorted((users.keys() | holders.keys()) - there.keys()):
        # A trainer may have dropped some since, and gc removed some.
        present = {path.stem for path in folder.manifests()} | {mark.artifact for mark in _all_marks(folder)}
        who = (users.get(key, ()), holders.get(key, ()))
        if not present.isdisjoint((*who[0], *who[1])):
            bad.add(key[0])
            path = folder.content(*key)
            health.findings.append(StoreFault("missing", _shown(folder, path), "It is gone.", *who))
    return bad


def _holders_of(marks: list[Mark]) -> dict[tuple[str, str], tuple[str, ...]]:
    """Return the artifacts that need each file, by its (digest, suffix)."""
    holders: dict[tuple[str, str], tuple[str, ...]] = {}
    for mark in marks:
        key = (mark.digest, artifacts.CONTENT)
        holders[key] = (*holders.get(key, ()), mark.artifact)
    return holders


def _users_of(manifests: list[Manifest]) -> dict[tuple[str, str], tuple[str, ...]]:
    """Return the checkpoints that need each file, by its (digest, suffix)."""
    users: dict[tuple[str, str], tuple[str, ...]] = {}
    for manifest in manifests:
        keys = {(name, ".safetensors") for name in manifest.objects}
        keys |= {(manifest.network, ".json")} if manifest.network is not None else set()
        for key in keys:
            users[key] = (*users.get(key, ()), manifest.id)
    return users


def _fault_in(path: Path) -> str | None:
    """Return the fault of a content, whose name is its digest, or None."""
    try:
        if path.suffix == artifacts.CONTENT:
            is_right = artifacts.digest_of(path) == path.stem
            return None if is_right else "It is not what was written: its digest differs."
        if path.suffix == ".json":
            is_right = blake3(_read(path, MAX_MANIFEST_BYTES)).hexdigest() == path.stem
            return None if is_right else "It is not what was written: its digest differs."
        with path.open("rb") as file:
            pack.check(file.fileno(), path.stem)
    except FileNotFoundError:
        return None  # a process that knows that nothing needs the file has just removed it
    except (CheckpointDamaged, OSError) as error:
        return _words(error)
    return None


def _words(error: CheckpointError | OSError) -> str:
    return error.message if isinstance(error, CheckpointError) else f"It cannot be read: {error.strerror}."


def _check_values(folder: Folder, manifests: list[Manifest], bad: set[str], health: StoreHealth) -> None:
    """Check that each pack holds the values that manifests expect in it, with their sizes and types."""
    for manifest in manifests:
        if not manifest.objects & bad:
            try:
                load.check_places(folder, manifest)
            except CheckpointError as error:  # also an unknown type, perhaps of a newer keepbest
                path = folder.manifest(manifest.run, manifest.id)
                health.findings.append(StoreFault("damaged", _shown(folder, path), error.message, (manifest.id,)))


# All else


def _find_leftovers(folder: Folder) -> Iterator[StoreFault]:
    """Yield files that belong to nothing: those of a killed writer, and those that keepbest did not write."""
    root = folder.root
    for path in sorted(path for path in root.rglob("*") if path.is_file()):
        where = path.relative_to(root).parts
        if where[0] in ("tmp", "incoming"):
            yield StoreFault("leftover", _shown(folder, path), "A writer was killed, or is writing.")
        elif not _is_ours(where, path):
            yield StoreFault("leftover", _shown(folder, path), "keepbest writes no file of this name.")


def _is_ours(where: tuple[str, ...], path: Path) -> bool:
    match where:
        case ("lock",) | ("store.json",) | ("aside", *_):
            return True
        case ("objects", _, _):
            return is_content(path)
        case ("artifacts", _, _):
            return artifacts.read_mark(path) is not None
        case ("trash", _, _, name) if name.endswith(artifacts.MANIFEST):
            return artifacts.read_mark(path) is not None
        case ("runs", run, _) | ("trash", _, run, _):
            is_id = bool(re.match(ID_PATTERN, run) and re.match(ID_PATTERN, path.stem))
            return is_id and path.suffix in (".json", ".pin", ".selected")
    return False


def _is_named_meanwhile(folder: Folder, path: Path) -> bool:
    """Whether anything needs the file that a process has written since the check read the manifests."""
    if path.suffix == artifacts.CONTENT:
        return any(mark.digest == path.stem for mark in _all_marks(folder))
    with suppress(FileNotFoundError):
        return path.stem in folder.named([path.stem])
    return True


def _read(path: Path, limit: int) -> bytes:
    with path.open("rb") as file:
        return file.read(limit)


def _size_of(path: Path) -> int:
    with suppress(FileNotFoundError):
        return os.stat(path).st_size
    return 0


def _shown(folder: Folder, path: Path) -> str:
    """Return a path that every terminal can print: the name of a foreign file may be any bytes."""
    return os.fsencode(path.relative_to(folder.root)).decode(errors="backslashreplace")
