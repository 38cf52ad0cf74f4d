"""Sends the files of an outbox to the tracker, oldest first: at once, or in a thread beside training.

A file that the tracker refuses for its content or place is set aside with a warning and never blocks the next.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from pathlib import Path
from threading import Event, Thread
from typing import BinaryIO, Protocol, cast

from keepbest.client.file_routes import FileRoutes
from keepbest.errors import KeepbestError, LeaseLost, NotAllowed, NotAuthenticated, NotFound
from keepbest.figures import size as show_size
from keepbest.journal import set_aside
from keepbest.journal.delivery import is_passing
from keepbest.journal.journal import JournalOwner
from keepbest.journal.outbox import Outbox, Parcel, data_of, digest_of, has_parcels

#: From this size on, the tracker is asked first whether it has the bytes already.
ASK_FROM_BYTES = 2**20
FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 10.0
POLL_SECONDS = 0.1
#: A run that ends says that it waits for its files, once it has waited so long.
TELL_AFTER_SECONDS = 1.0
#: Errors that concern the sender, not the file.
_OF_SENDER = (LeaseLost, NotAuthenticated, NotAllowed)
_log = logging.getLogger("keepbest")


class FileClient(Protocol):
    """The part of `keepbest.client.client.Client` that sends files."""

    @property
    def files(self) -> FileRoutes: ...


def send_files(
    journal: Path,
    owner: JournalOwner,
    client: FileClient,
    on_bytes: Callable[[int], object] = lambda count: None,
    goes_on: Callable[[], bool] = lambda: True,
) -> int:
    """Send every file that waits beside a journal, as long as it `goes_on`; return how many the tracker has now.

    Raises the client's error if the rest has to wait, or if it concerns the sender.
    """
    outbox, sent = Outbox(journal), 0
    while parcels := outbox.waiting():
        for record, parcel in parcels:
            if not goes_on():
                return sent
            try:
                _send(record, parcel, owner, client, on_bytes)
            except FileNotFoundError:
                _forget_sent(outbox, record, parcel)
                continue
            except KeepbestError as error:
                if is_passing(error) or isinstance(error, _OF_SENDER):
                    raise
                _set_aside(outbox, record, parcel, owner, error)
                continue
            outbox.remove(record)
            sent += 1
    return sent


def _forget_sent(outbox: Outbox, record: Path, parcel: Parcel) -> None:
    """Forget a parcel whose bytes are gone: another process has just sent it, or somebody has deleted them."""
    if record.exists():
        outbox.remove(record)
        _log.warning("keepbest: the bytes of file %r are gone from %s; it is lost.", parcel.path, outbox.folder)


def set_files_aside(journal: Path, owner: JournalOwner, error: KeepbestError) -> None:
    """Set every file aside that waits beside a journal, and that the tracker will never take."""
    outbox = Outbox(journal)
    for record, parcel in outbox.waiting():
        _set_aside(outbox, record, parcel, owner, error)


class FileSender:
    """Sends the files of a living run from a thread of its own, which begins with the first file."""

    def __init__(self, journal: Path, owner: Callable[[], JournalOwner], client: FileClient | None) -> None:
        self._journal = journal
        self._owner = owner
        self._client = client
        self._wake, self._turned, self._closing = Event(), Event(), Event()
        self._thread: Thread | None = None
        self._bytes = 0
        self._problem: str | None = None
        self._is_lost = False

    def wake(self) -> None:
        """Send what has come into the outbox."""
        if self._client is None:
            return
        self._wake.set()
        if self._thread is None:
            self._thread = Thread(target=self._work, name="keepbest-files", daemon=True)
            self._thread.start()

    def drain(self, seconds: float, *, is_patient: bool) -> bool:
        """Wait until the tracker has every file; return whether it has. Offline there is nothing to wait for.

        Gives up after `seconds`, or where `is_patient` after as many seconds in which not a byte moved.
        """
        began, seen, has_told = time.monotonic(), self._bytes, False
        until = began + seconds
        self._wake.set()
        while self._client is not None and has_parcels(self._journal):
            self._turned.wait(POLL_SECONDS)
            self._turned.clear()
            now = time.monotonic()
            if is_patient and self._bytes != seen:
                until, seen = now + seconds, self._bytes
            if self._is_lost or now >= until:
                return False
            has_told = has_told or (now - began > TELL_AFTER_SECONDS and self._tell())
        return True

    def close(self) -> None:
        """End the thread after the present file; what is left stays in the outbox."""
        self._closing.set()
        self._wake.set()

    def _tell(self) -> bool:
        left = [parcel.size_bytes for _, parcel in Outbox(self._journal).waiting()]
        _log.warning("keepbest: sending %d files of the run (%s).", len(left), show_size(sum(left)))
        return True

    def _work(self) -> None:
        pause = 0.0
        while not self._closing.is_set() and not self._is_lost:
            self._wake.wait()
            self._wake.clear()
            pause = self._try(pause)
            if pause and not self._closing.is_set():
                self._wake.wait(pause)
                self._wake.set()

    def _try(self, pause: float) -> float:
        """Send what waits; return the seconds until the next try, or 0."""
        try:
            client = cast(FileClient, self._client)
            send_files(self._journal, self._owner(), client, self._count, lambda: not self._closing.is_set())
        except KeepbestError as error:
            return self._handle(error, pause)
        except Exception as error:  # a bug in sending must not end the sending of a training
            if self._problem is None:
                _log.exception("keepbest: sending files of run %s met an error and goes on.", self._owner().run)
            self._problem = str(error)
            return LONGEST_PAUSE_SECONDS
        self._problem = None
        self._turned.set()
        return 0.0

    def _handle(self, error: KeepbestError, pause: float) -> float:
        if self._problem is None:
            _log.warning("keepbest: %s Training goes on; files wait in %s.", error, Outbox(self._journal).folder)
        self._problem = error.message
        if not is_passing(error):
            self._is_lost = True
            self._turned.set()
            return 0.0
        return min(LONGEST_PAUSE_SECONDS, pause * 2 or FIRST_PAUSE_SECONDS)

    def _count(self, count: int) -> None:
        self._bytes += count


def _send(
    record: Path, parcel: Parcel, owner: JournalOwner, client: FileClient, on_bytes: Callable[[int], object]
) -> None:
    data = data_of(record)
    digest = digest_of(data)

    def put(file: BinaryIO | None) -> None:
        client.files.put(
            owner.run,
            parcel.path,
            file,
            size=parcel.size_bytes,
            digest=digest,
            kind=parcel.kind,
            media_type=parcel.media_type,
            lease=owner.lease,
        )

    if parcel.size_bytes >= ASK_FROM_BYTES and _is_known(put):
        return
    with data.open("rb") as file:
        put(cast(BinaryIO, _Counted(file, on_bytes)))


def _is_known(put: Callable[[None], None]) -> bool:
    """Whether the tracker had the bytes already, and has kept them at the path now."""
    try:
        put(None)
    except NotFound as error:
        if error.field != "digest":
            raise
        return False
    return True


class _Counted:
    """A file that tells how many bytes were read from it."""

    def __init__(self, file: BinaryIO, on_bytes: Callable[[int], object]) -> None:
        self._file, self._on_bytes = file, on_bytes

    def read(self, count: int = -1) -> bytes:
        data = self._file.read(count)
        self._on_bytes(len(data))
        return data

    def tell(self) -> int:
        return self._file.tell()

    def seek(self, place: int) -> int:
        return self._file.seek(place)


def _set_aside(outbox: Outbox, record: Path, parcel: Parcel, owner: JournalOwner, error: KeepbestError) -> None:
    target = set_aside.place_of(outbox.folder.parent, owner.run).with_suffix(".files")
    place = outbox.set_aside(record, target)
    why = error.message.rstrip(".")
    _log.warning("keepbest: the tracker refused the file %r (%s); it is kept as %s.", parcel.path, why, place)
