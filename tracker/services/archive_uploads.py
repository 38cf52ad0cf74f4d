"""Archives on their way in: pieces of a file that several requests bring, so that one that was cut off goes on."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import IO, BinaryIO

from keepbest.errors import Busy, InvalidInput, NotFound, TooLarge
from keepbest.figures import size as words
from tracker.settings import TrackerSettings
from tracker.store.access.users import Principal

_ENDING = ".archive"
#: How long an archive waits for its next piece before it goes with the garbage.
PATIENCE = timedelta(days=1)


class ArchiveUploads:
    """The archives that people are bringing to one tracker; nobody adds to, or reads, those of another person."""

    def __init__(self, settings: TrackerSettings) -> None:
        self._folder = settings.dir / "archives"
        self._limit = settings.archive_bytes

    def count(self, by: Principal, digest: str) -> int:
        """Return how many bytes of an archive are here."""
        try:
            return self._place(by, digest).stat().st_size
        except FileNotFoundError:
            return 0

    def append(self, by: Principal, digest: str, at: int, pieces: Iterable[bytes]) -> int:
        """Add bytes that begin at a place of the archive; return how many bytes are here then.

        Bytes for any other place than the end of what is here are not taken: the answer says where to go on. Raises
        TooLarge past the limit, Busy while another request brings the same archive.
        """
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = self._place(by, digest)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        with open(descriptor, "ab") as file, _alone(file):
            received = os.fstat(descriptor).st_size
            if received != at:
                return received
            room = self._limit - self._count_waiting(by)
            for piece in pieces:
                room -= len(piece)
                if room < 0:
                    raise TooLarge(
                        f"Archives on their way here have at most {words(self._limit)}.",
                        field="archive",
                        hint="The tracker's setting KEEPBEST_ARCHIVE_BYTES allows more.",
                    )
                file.write(piece)
            return file.tell()

    @contextmanager
    def opened(self, by: Principal, digest: str) -> Iterator[BinaryIO]:
        """Yield the file of an archive, which no other request changes meanwhile; raises NotFound where it is not."""
        try:
            file = self._place(by, digest).open("rb")
        except FileNotFoundError:
            raise NotFound("No byte of this archive is here.", field="archive", hint="Send it first.") from None
        with file, _alone(file):
            yield file

    def remove(self, by: Principal, digest: str) -> None:
        """Remove what is here of an archive."""
        self._place(by, digest).unlink(missing_ok=True)

    def sweep(self, now: datetime) -> int:
        """Remove archives of which no piece came for a day; return their number."""
        removed, before = 0, (now - PATIENCE).timestamp()
        for path in self._folder.glob(f"*{_ENDING}"):
            with suppress(OSError, Busy), path.open("rb") as file, _alone(file):
                if path.stat().st_mtime < before:
                    path.unlink()
                    removed += 1
        return removed

    def _place(self, by: Principal, digest: str) -> Path:
        if len(digest) != 64 or set(digest) - set("0123456789abcdef"):
            raise InvalidInput("An archive is named by 64 small hexadecimal digits.", field="archive")
        return self._folder / f"{by.user_pk}.{digest}{_ENDING}"

    def _count_waiting(self, by: Principal) -> int:
        return sum(path.stat().st_size for path in self._folder.glob(f"{by.user_pk}.*{_ENDING}"))


@contextmanager
def _alone(file: IO[bytes]) -> Iterator[None]:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise Busy("Another request has this archive in hand.", hint="Try again in a moment.") from None
    yield
