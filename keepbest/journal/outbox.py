"""The outbox beside a journal: files that a run keeps, until the tracker has them.

    <journal>/files/<number>.bytes   a copy of the file: the script may change its own file at once
    <journal>/files/<number>.json    what it is (a `Parcel`), written last, so that a parcel is always whole

The operating system has a parcel when `add` returns, so a killed process loses none. Numbers count up, because the last
file of a path is the current one. Sending a parcel twice is harmless: the tracker knows its bytes by their digest.
"""

from __future__ import annotations

import fcntl
import hashlib
import re
import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from threading import Lock

from pydantic import ValidationError

from keepbest.contract.artifacts import ArtifactKind, ArtifactPath
from keepbest.contract.base import Answer, Count, Moment
from keepbest.settings import write_private

FOLDER = "files"
#: The room that a parcel leaves on the disk.
SPARE_BYTES = 2**29
_RECORD = re.compile(r"\d{8}\.json")
#: Linux' request to share a file's blocks until somebody writes to one of the two files.
_FICLONE = 0x40049409


class Parcel(Answer):
    """A file in the outbox: where it goes, and what it is."""

    path: ArtifactPath
    kind: ArtifactKind
    media_type: str
    size_bytes: Count
    at: Moment


class NoRoom(OSError):
    """The disk is nearly full."""


class Outbox:
    """The files of one journal. One process adds, safely from any thread; whoever sends the journal removes."""

    def __init__(self, journal: Path) -> None:
        self.folder = journal / FOLDER
        self._lock = Lock()
        self._last: int | None = None

    def add(self, path: str, source: Path | bytes, kind: ArtifactKind, media_type: str, at: Moment) -> None:
        """Copy a file, or write bytes, and record them; raises OSError, and then nothing is kept."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        size = len(source) if isinstance(source, bytes) else source.stat().st_size
        self._check_room(size)
        with self._lock:
            record = self.folder / f"{self._next_number():08d}.json"
        try:
            size = _copy(source, data_of(record))
            parcel = Parcel(path=path, kind=kind, media_type=media_type, size_bytes=size, at=at)
            write_private(record, parcel.model_dump_json())
        except BaseException:
            data_of(record).unlink(missing_ok=True)
            raise

    def waiting(self) -> list[tuple[Path, Parcel]]:
        """Return the parcels with the files that record them, oldest first."""
        return list(self._read())

    def newest(self, path: str) -> Path | None:
        """Return the bytes of the newest parcel for a path, or None."""
        same = [data_of(record) for record, parcel in self._read() if parcel.path == path]
        return same[-1] if same else None

    def remove(self, record: Path) -> None:
        """Forget a parcel that the tracker has."""
        record.unlink(missing_ok=True)
        data_of(record).unlink(missing_ok=True)

    def set_aside(self, record: Path, target: Path) -> Path:
        """Move a parcel that the tracker refuses into the folder `target`; return the file's new place."""
        target.mkdir(mode=0o700, parents=True, exist_ok=True)
        place = target / f"{self.folder.parent.name}-{record.stem}"
        shutil.move(data_of(record), place)
        shutil.move(record, place.with_suffix(".json"))
        return place

    def _read(self) -> Iterator[tuple[Path, Parcel]]:
        with suppress(FileNotFoundError, NotADirectoryError):
            for record in sorted(path for path in self.folder.iterdir() if _RECORD.fullmatch(path.name)):
                with suppress(OSError, ValidationError):
                    yield record, Parcel.model_validate_json(record.read_bytes())

    def _next_number(self) -> int:
        if self._last is None:
            self._last = max((int(path.stem) for path in self.folder.glob("[0-9]*.*")), default=0)
        self._last += 1
        return self._last

    def _check_room(self, size: int) -> None:
        free = shutil.disk_usage(self.folder).free
        if free - size < SPARE_BYTES:
            raise NoRoom(f"the disk has {free // 2**20:,} MiB left")


def list_refused_files(home: Path) -> Iterator[tuple[Path, list[str]]]:
    """Yield each folder of files that the tracker refused, in keepbest's folder, with the files' paths in the run."""
    for folder in sorted((home / "set-aside").glob("*.files")):
        names = list[str]()
        for record in sorted(folder.glob("*.json")):
            with suppress(OSError, ValidationError):
                names.append(Parcel.model_validate_json(record.read_bytes()).path)
        if names:
            yield folder, names


def has_parcels(journal: Path) -> bool:
    """Whether files of a journal still wait."""
    return (journal / FOLDER).is_dir() and any((journal / FOLDER).glob("*.json"))


def data_of(record: Path) -> Path:
    """Return the bytes of a parcel."""
    return record.with_suffix(".bytes")


def digest_of(data: Path) -> str:
    """Return the SHA-256 of a file."""
    with data.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _copy(source: Path | bytes, target: Path) -> int:
    """Write a copy, and return its size. A hard link would change with the file, a clone of its blocks does not."""
    with target.open("xb") as sink:
        if isinstance(source, bytes):
            return sink.write(source)
        with source.open("rb") as file:
            try:
                fcntl.ioctl(sink.fileno(), _FICLONE, file.fileno())
            except OSError:  # a file system that cannot, or another one
                shutil.copyfileobj(file, sink, 2**20)
    return target.stat().st_size
