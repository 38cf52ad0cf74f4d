"""Checks a whole store for damaged, missing and needless files, and moves faulty files aside.

A fault of a pack or a network names the checkpoints that cannot be loaded because of it. A needless file is no fault:
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
from keepbest.checkpoint.files import pack
from keepbest.checkpoint.files.folder import Folder, sync_folder
from keepbest.checkpoint.manifest import MAX_MANIFEST_BYTES, Manifest, decode
from keepbest.checkpoint.upkeep.gc import is_content
from keepbest.contract.base import ID_PATTERN
from keepbest.errors import CheckpointDamaged, CheckpointError

Kind = Literal["damaged", "missing", "misplaced", "orphan", "leftover"]
FAULTS: frozenset[Kind] = frozenset({"damaged", "missing", "misplaced"})


@dataclass(frozen=True)
class StoreFault:
    """One finding. `path` is relative to the store; `checkpoints` cannot be loaded because of it."""

    kind: Kind
    path: str
    what: str
    checkpoints: tuple[str, ...] = ()

    @property
    def is_fault(self) -> bool:
        return self.kind in FAULTS


@dataclass
class StoreHealth:
    """The result of a store check."""

    checkpoints: int = 0
    bytes_read: int = 0
    findings: list[StoreFault] = field(default_factory=list)

    @property
    def is_whole(self) -> bool:
        return not any(finding.is_fault for finding in self.findings)


def check(
    folder: Folder,
    expected: Iterable[tuple[str, str]] = (),
    *,
    on_file: Callable[[Path], object] = lambda path: None,
) -> StoreHealth:
    """Read every byte of the store and check its digests.

    `expected` are the (run, checkpoint) pairs that the caller knows to be here: a lost manifest leaves no trace in the
    store but orphans. `on_file` gets each path before the check reads the file.

    Raises NotTheStore if the folder is not the store that it was.
    """
    folder.identity.check()
    health = StoreHealth()
    manifests = list(_read_manifests(folder, health, on_file))
    bad = _check_contents(folder, manifests, health, on_file)
    _check_values(folder, manifests, bad, health)
    there = {(path.parent.name, path.stem) for path in folder.manifests()}
    for run, checkpoint in sorted(set(expected) - there):
        path = folder.manifest(run, checkpoint)
        health.findings.append(StoreFault("missing", _shown(folder, path), "Its manifest is gone.", (checkpoint,)))
    health.findings.extend(_find_leftovers(folder))
    return health


def repair(folder: Folder, health: StoreHealth, now: datetime) -> list[str]:
    """Move damaged files, and manifests that cannot be loaded, into aside/<time>/; return their names.

    This deletes nothing. The checkpoints that are left can be loaded. Raises StoreUnavailable if the store cannot be
    written.
    """
    aside = folder.root / "aside" / now.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
    lost = {checkpoint for finding in health.findings if finding.is_fault for checkpoint in finding.checkpoints}
    bad = {finding.path for finding in health.findings if finding.is_fault}
    bad |= {_shown(folder, path) for path in folder.manifests() if path.stem in lost}
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


# Packs and networks


def _check_contents(
    folder: Folder, manifests: list[Manifest], health: StoreHealth, on_file: Callable[[Path], object]
) -> set[str]:
    """Check every pack and network by itself; return the digests of those that are damaged or missing."""
    users = _users_of(manifests)
    there = {(path.stem, path.suffix): path for path in sorted(folder.root.glob("objects/*/*")) if is_content(path)}
    bad: set[str] = set()
    for key, path in there.items():
        on_file(path)
        fault = _fault_in(path)
        health.bytes_read += _size_of(path)
        if fault is not None:
            bad.add(path.stem)
            health.findings.append(StoreFault("damaged", _shown(folder, path), fault, users.get(key, ())))
        elif key not in users and not _is_named_meanwhile(folder, path.stem):
            health.findings.append(StoreFault("orphan", _shown(folder, path), "No checkpoint needs it."))
    for key in sorted(users.keys() - there.keys()):
        present = {path.stem for path in folder.manifests()}  # a trainer may have dropped some since
        if not present.isdisjoint(users[key]):
            bad.add(key[0])
            path = folder.content(*key)
            health.findings.append(StoreFault("missing", _shown(folder, path), "It is gone.", users[key]))
    return bad


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
    """Return the fault of a pack or a network, whose name is its digest, or None."""
    try:
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
    """Yield files that belong to no checkpoint: those of a killed writer, and those that keepbest did not write."""
    root = folder.root
    for path in sorted(path for path in root.rglob("*") if path.is_file()):
        where = path.relative_to(root).parts
        if where[0] == "tmp":
            yield StoreFault("leftover", _shown(folder, path), "A writer was killed, or is writing.")
        elif not _is_ours(where, path):
            yield StoreFault("leftover", _shown(folder, path), "keepbest writes no file of this name.")


def _is_ours(where: tuple[str, ...], path: Path) -> bool:
    match where:
        case ("lock",) | ("store.json",) | ("aside", *_):
            return True
        case ("objects", _, _):
            return is_content(path)
        case ("runs", run, _) | ("trash", _, run, _):
            is_id = bool(re.match(ID_PATTERN, run) and re.match(ID_PATTERN, path.stem))
            return is_id and path.suffix in (".json", ".pin", ".selected")
    return False


def _is_named_meanwhile(folder: Folder, digest: str) -> bool:
    """Whether a checkpoint needs the file that a process has written since the check read the manifests."""
    with suppress(FileNotFoundError):
        return digest in folder.named([digest])
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
