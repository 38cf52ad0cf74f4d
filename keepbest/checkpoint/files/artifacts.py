"""Artifacts in the store: contents named by their SHA-256, and one small manifest for each artifact of a run.

    objects/<2>/<digest>.file                           contents
    artifacts/<run>/<artifact>.<digest>.artifact        manifests; the name says which content stays
    trash/<time>/<run>/<artifact>.<digest>.artifact     manifests of deleted artifacts
    incoming/<id>                                       contents that are being received

A content is received without the store's lock, because a large one takes minutes. Then, under the lock, it moves to its
place and its manifest is written. A manifest's content is whole; a content without a manifest goes with the garbage.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from io import FileIO
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError

from keepbest.checkpoint.files import trash
from keepbest.checkpoint.files.folder import Folder, opened_folder
from keepbest.checkpoint.files.pack import write_all
from keepbest.checkpoint.manifest import frame, unwrap
from keepbest.contract.artifacts import ArtifactKind
from keepbest.contract.base import DIGEST_PATTERN, ID_PATTERN, Count, Digest, Id, Moment, Shape
from keepbest.errors import CheckpointDamaged, InvalidInput, NotFound, TooLarge

#: The ending of a content.
CONTENT = ".file"
#: The ending of a manifest.
MANIFEST = ".artifact"
MAX_MANIFEST_BYTES = 2**16
_ROOM, _INCOMING = "artifacts", "incoming"


class ArtifactManifest(Shape):
    """An artifact as its file in the store describes it."""

    format: Literal[1] = 1
    id: Id
    run: Id
    path: str = Field(max_length=500)
    digest: Digest
    size_bytes: Count
    media_type: str = Field(max_length=100)
    kind: ArtifactKind
    at: Moment


@dataclass(frozen=True)
class Received:
    """A content in incoming/, durable, with its SHA-256. `home` is a descriptor of incoming/."""

    name: str
    home: int
    digest: str
    size_bytes: int


@dataclass(frozen=True)
class Mark:
    """A manifest by its place: the file and, in its name, the artifact and the content that stays for it."""

    run: str
    artifact: str
    digest: str
    path: Path
    #: The time of the deletion, of a manifest in the trash.
    deleted_at: datetime | None = None


@contextmanager
def receive(folder: Folder, pieces: Iterable[bytes], limit: int) -> Iterator[Received]:
    """Write `pieces` to the disk, and yield the durable file; it is gone after the block unless `keep` took it.

    Raises TooLarge for more than `limit` bytes, StoreUnavailable if the store cannot be written.
    """
    name = f"{os.urandom(12).hex()}{CONTENT}"
    with ExitStack() as held:
        with folder.explained():
            root = held.enter_context(folder.identity.opened(make=True))
            home = held.enter_context(opened_folder(root, (_INCOMING,)))
            descriptor = os.open(name, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644, dir_fd=home)
            held.callback(_remove, name, home)
            held.callback(os.close, descriptor)
        with suppress(OSError):  # a file system without locks: `sweep_incoming` goes by age there
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        digest, size = _write(folder, descriptor, pieces, limit)
        yield Received(name, home, digest, size)


def keep(folder: Folder, received: Received, manifest: ArtifactManifest) -> int:
    """Move a received content to its place, unless an equal one is there, and write its manifest, durably.

    Returns the bytes that this added to the store.
    """
    path, written = folder.content(received.digest, CONTENT), 0
    with folder.writing():
        if not _is_there(path, received.size_bytes):
            _move_in(folder, received, path)
            written = received.size_bytes
        _write_manifest(folder, manifest)
    return written


def adopt(folder: Folder, manifest: ArtifactManifest) -> None:
    """Write a manifest for a content that is in the store already; raises NotFound where it is not."""
    with folder.writing():
        if not _is_there(folder.content(manifest.digest, CONTENT), manifest.size_bytes):
            raise NotFound(f"The store has no file with the digest {manifest.digest[:12]}….", field="digest")
        _write_manifest(folder, manifest)


def locate(folder: Folder, run: str, artifact: str, digest: str) -> Path:
    """Return the place of an artifact's manifest."""
    if not _is_named_right(run, artifact, digest):
        raise InvalidInput(f"{artifact[:80]!r} is not the id of an artifact.", field="artifact")
    return folder.root / _ROOM / run / f"{artifact}.{digest}{MANIFEST}"


def marks(folder: Folder) -> Iterator[Mark]:
    """Yield the manifests of all runs, without files that keepbest did not put there."""
    for path in folder.root.glob(f"{_ROOM}/*/*{MANIFEST}"):
        if (mark := read_mark(path)) is not None:
            yield mark


def trashed_marks(folder: Folder) -> Iterator[Mark]:
    """Yield the manifests in the trash, oldest first."""
    for path in sorted(folder.root.glob(f"trash/*/*/*{MANIFEST}")):
        if (mark := read_mark(path)) is not None:
            with suppress(ValueError):
                at = trash.read_time(path.parent.parent.name)
                yield Mark(mark.run, mark.artifact, mark.digest, path, at)


def read_mark(path: Path) -> Mark | None:
    """Return what the name of a manifest says, or None for another name."""
    run, (artifact, _, digest) = path.parent.name, path.name.removesuffix(MANIFEST).partition(".")
    is_right = path.suffix == MANIFEST and _is_named_right(run, artifact, digest)
    return Mark(run, artifact, digest, path) if is_right else None


def undo(folder: Folder, run: str, artifacts: Iterable[str]) -> list[str]:
    """Put artifacts of a run back from the trash; return the ids of those that were there."""
    wanted = set(artifacts)
    deleted = [mark for mark in trashed_marks(folder) if mark.run == run and mark.artifact in wanted]
    if not deleted:
        return []
    with folder.writing():
        (folder.root / _ROOM / run).mkdir(parents=True, exist_ok=True)
        return [mark.artifact for mark in deleted if trash.move(mark.path, folder.root / _ROOM / run / mark.path.name)]


def read_manifest(path: Path) -> ArtifactManifest:
    """Return the manifest in a file; raises CheckpointDamaged for one that is not what was written."""
    with path.open("rb") as file:
        body, _ = unwrap(file.read(MAX_MANIFEST_BYTES), f"artifact {path.name[:12]}")
    try:
        return ArtifactManifest.model_validate_json(body)
    except ValidationError as error:
        raise CheckpointDamaged(
            f"The manifest of artifact {path.name[:12]} cannot be read: {error.errors()[0]['msg']}.",
            hint="If a newer keepbest wrote it, install that version.",
        ) from error


def digest_of(path: Path) -> str:
    """Return the SHA-256 of a file, which is read piece by piece."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sweep_incoming(folder: Folder, before: datetime) -> int:
    """Remove contents that nobody receives any more, last written before this moment; return their number."""
    removed = 0
    for path in (folder.root / _INCOMING).glob(f"*{CONTENT}"):
        with suppress(OSError), path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if path.stat().st_mtime < before.timestamp():
                path.unlink()
                removed += 1
    return removed


def _remove(name: str, home: int) -> None:
    with suppress(FileNotFoundError):
        os.unlink(name, dir_fd=home)


def _write(folder: Folder, descriptor: int, pieces: Iterable[bytes], limit: int) -> tuple[str, int]:
    """Write the pieces durably. Errors of their sender pass as they are; those of the disk are explained."""
    digest, size = hashlib.sha256(), 0
    with open(descriptor, "wb", closefd=False, buffering=0) as sink:
        for piece in pieces:
            size += len(piece)
            if size > limit:
                raise TooLarge(
                    f"A file of a run has at most {limit:,} bytes here.",
                    field="body",
                    hint="The tracker's setting KEEPBEST_ARTIFACT_BYTES allows more.",
                )
            digest.update(piece)
            with folder.explained():
                _write_all(sink, piece)
        with folder.explained():
            os.fsync(descriptor)
    return digest.hexdigest(), size


def _write_all(sink: FileIO, piece: bytes) -> None:
    left = memoryview(piece)
    while left:
        left = left[sink.write(left) :]


def _is_named_right(run: str, artifact: str, digest: str) -> bool:
    are_ids = re.fullmatch(ID_PATTERN, run) and re.fullmatch(ID_PATTERN, artifact)
    return bool(are_ids and re.fullmatch(DIGEST_PATTERN, digest))


def _is_there(path: Path, size: int) -> bool:
    with suppress(OSError):
        return path.stat().st_size == size
    return False


def _move_in(folder: Folder, received: Received, path: Path) -> None:
    parts = path.parent.relative_to(folder.root).parts
    with folder.identity.opened(make=True) as root, opened_folder(root, parts) as place:
        os.rename(received.name, path.name, src_dir_fd=received.home, dst_dir_fd=place)
        os.fsync(place)
        folder.identity.confirm(root)


def _write_manifest(folder: Folder, manifest: ArtifactManifest) -> None:
    data, _ = frame(manifest.model_dump_json().encode())
    path = locate(folder, manifest.run, manifest.id, manifest.digest)
    folder.commit(path, lambda descriptor: write_all(descriptor, [data]))
