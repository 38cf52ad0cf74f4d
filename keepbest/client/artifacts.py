"""Artifacts read back: fetched into keepbest's folder under their digest, checked, and fetched once only."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from keepbest.client.client import Client
from keepbest.client.file_routes import FileRoutes
from keepbest.contract.artifacts import Artifact
from keepbest.contract.base import new_id
from keepbest.errors import CheckpointDamaged
from keepbest.settings import load


class Fetched(NamedTuple):
    """A local file, and which artifact it is; `version` is None before the tracker has it."""

    file: Path
    run: str
    path: str
    version: int | None
    digest: str


def use_artifact(run: Any, name: str, *, version: int | None = None, to: str | os.PathLike[str] | None = None) -> Path:
    """Return an artifact of a run as a local path; its bytes are checked against its digest.

    `run` is a run's id or the first letters of it, or a run; a living run records the use. With `to` a copy is written
    there, to a file or into a folder. Otherwise do not change the file: the next call returns the same one.

    Raises NotFound where the run has no such artifact, CheckpointDamaged where its bytes are not those of the digest.
    """
    if hasattr(run, "use_artifact"):
        file: Path = run.use_artifact(name, version=version)
    else:
        settings = load()
        with Client(settings=settings) as client:
            id = run if isinstance(run, str) else str(run.id)
            file = fetch_artifact(client.files, id, name, settings.dir / "cache", version).file
    return file if to is None else Path(shutil.copyfile(file, _place(Path(to), file)))


def fetch_artifact(files: FileRoutes, run: str, path: str, cache: Path, version: int | None = None) -> Fetched:
    """Return an artifact from `cache`, after fetching it where it is not there yet."""
    artifact = files.find(run, path, version)

    def fill(sink: BinaryIO) -> None:
        files.download(artifact.run, artifact.path, sink, version=artifact.version)

    file = _keep(cache, artifact.digest, path, fill)
    return Fetched(file, artifact.run, artifact.path, artifact.version, artifact.digest)


def keep_copy(data: Path, run: str, path: str, cache: Path) -> Fetched:
    """Return a copy in `cache` of a file that the tracker does not have yet."""
    with data.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()

    def fill(sink: BinaryIO) -> None:
        with data.open("rb") as file:
            shutil.copyfileobj(file, sink)

    return Fetched(_keep(cache, digest, path, fill), run, path, None, digest)


def _keep(cache: Path, digest: str, path: str, fill: Callable[[BinaryIO], None]) -> Path:
    """Return the file of this digest in `cache`; `fill` writes it where it is not there, or was changed since."""
    file = cache / digest[:2] / digest / path.rpartition("/")[2]
    if file.is_file() and _digest_of(file) == digest:
        return file
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    _write(file, digest, path, fill)
    return file


def download(files: FileRoutes, artifact: Artifact, file: Path) -> None:
    """Write an artifact to `file`, which appears whole and checked or not at all; raises CheckpointDamaged."""

    def fill(sink: BinaryIO) -> None:
        files.download(artifact.run, artifact.path, sink, version=artifact.version)

    _write(file, artifact.digest, artifact.path, fill)


def _write(file: Path, digest: str, path: str, fill: Callable[[BinaryIO], None]) -> None:
    beside = file.parent / f".{new_id()}"
    try:
        with beside.open("xb") as sink:
            fill(sink)
        if _digest_of(beside) != digest:
            raise CheckpointDamaged(
                f"The bytes of artifact {path!r} are not those of its digest {digest[:12]}….",
                hint="Fetch it again; `keepbest fsck` checks the tracker's store.",
            )
        beside.replace(file)
    finally:
        beside.unlink(missing_ok=True)


def _digest_of(file: Path) -> str:
    with file.open("rb") as source:
        return hashlib.file_digest(source, "sha256").hexdigest()


def _place(to: Path, file: Path) -> Path:
    if to.is_dir():
        return to / file.name
    to.parent.mkdir(parents=True, exist_ok=True)
    return to
