"""The journal between training and the tracker: numbered, encoded batches, appended to a file.

    <folder>/<writer>/writer.json      the owner of the batches: run, writer, lease token (0600)
    <folder>/<writer>/batches          the batches as frames (`keepbest.journal.frames`)
    <folder>/<writer>/acknowledged     number of the last batch that the tracker made durable, and its CRC-32

When `append` returns, the operating system has the batch, so a killed process loses none. While batches wait, the
journal fsyncs once a second, so a power failure loses at most the last second of what the tracker has not acknowledged.
Opening a journal cuts off an incomplete last frame. A damaged batch before whole batches is set aside
(`keepbest.journal.set_aside`), and an empty batch keeps its number. Sending a batch twice is harmless, because the
tracker knows its number, so `acknowledged` is never fsynced.

When the disk is full or the journal has reached its limit, batches wait in memory. When memory has reached its limit
too, the journal drops the oldest points, log lines, panels and single examples, with a warning. It keeps validations,
checkpoints and commands.
"""

from __future__ import annotations

import json
import logging
import re
import shutil
import struct
import time
import zlib
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Protocol

from keepbest.contract.base import ID_PATTERN, new_id
from keepbest.contract.batches import BatchReceipt
from keepbest.errors import InvalidInput
from keepbest.journal import refused_batch, set_aside, wire
from keepbest.journal.frames import Spool
from keepbest.journal.outbox import has_parcels
from keepbest.journal.refused_batch import RefusedBatch
from keepbest.settings import write_private

MAX_DISK_BYTES = 2**30
MAX_MEMORY_BYTES = 64 * 2**20
FSYNC_SECONDS = 1.0
#: The smallest batch on disk.
LEAST_BYTES = 40

_ACKNOWLEDGED = struct.Struct("<QI")
_log = logging.getLogger("keepbest")


class BatchClient(Protocol):
    """The part of `keepbest.client.client.Client` that sends batches."""

    def post_batch(self, run: str, body: bytes, content_type: str, lease: str) -> BatchReceipt: ...


@dataclass(frozen=True, slots=True)
class JournalOwner:
    """The run, writer and lease of a journal's batches."""

    run: str
    writer: str
    lease: str = field(repr=False)

    @classmethod
    def read(cls, path: Path) -> JournalOwner:
        """Read the file of `Journal.create`; raises InvalidInput if it names no owner."""
        try:
            about = cls(**json.loads(path.read_text(encoding="utf-8")))
            if all(re.fullmatch(ID_PATTERN, id) for id in (about.run, about.writer)) and isinstance(about.lease, str):
                return about
            problem = "it names no run"
        except (OSError, ValueError, TypeError, RecursionError) as error:
            problem = str(error)
        raise InvalidInput(f"The folder {path.parent} holds no journal: {problem}.")


@dataclass(slots=True)
class _Entry:
    """A waiting batch, on disk at `offset` or in memory. `damaged` is the place of the batch that it stands for."""

    number: int
    size: int
    offset: int | None = None
    body: bytes | None = None
    damaged: tuple[int, int] | None = None


class Journal:
    """The journal of one writer. One thread uses it at a time; a lock on the file keeps other processes out."""

    def __init__(
        self,
        folder: Path,
        about: JournalOwner,
        *,
        max_disk_bytes: int = MAX_DISK_BYTES,
        max_memory_bytes: int = MAX_MEMORY_BYTES,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.folder = folder
        self.about = about
        self.problem: str | None = None
        self.dropped_points = 0
        self._limits = (max_disk_bytes, max_memory_bytes)
        self._clock = clock
        self._synced_at = clock()
        self._entries: deque[_Entry] = deque()
        self._unwritten: deque[_Entry] = deque()
        self._spool: Spool | None = None
        self.last_number = 0
        #: Whether a living process writes the journal: then its whole frames are sent, and the file never changes.
        self.is_read_only = False
        #: Whether the tracker is too old to record single examples.
        self.goes_without_examples = False
        #: The oldest batch, if the tracker refused it; and the number of entries that were set aside.
        self.trouble = RefusedBatch.read(folder / refused_batch.NAME)
        self.set_aside = 0

    @classmethod
    def create(
        cls,
        parent: Path,
        about: JournalOwner,
        *,
        max_disk_bytes: int = MAX_DISK_BYTES,
        max_memory_bytes: int = MAX_MEMORY_BYTES,
    ) -> Journal:
        """Begin a journal in its own folder below `parent`; if the disk fails, in memory."""
        journal = cls(parent / about.writer, about, max_disk_bytes=max_disk_bytes, max_memory_bytes=max_memory_bytes)
        try:
            journal.folder.mkdir(parents=True, mode=0o700)
            write_private(journal.folder / "writer.json", json.dumps(asdict(about)))
            journal._open()
        except OSError as error:
            journal._report(error)
        return journal

    @classmethod
    def open(cls, folder: Path, *, read_only: bool = False, run: str | None = None, lease: str = "") -> Journal:
        """Open the journal of a dead process, or with `read_only` that of a living process.

        With `run` (and `lease`) the journal opens even if its own owner file cannot be read.

        Raises Busy while its process lives, and InvalidInput if the folder holds no journal.
        """
        try:
            about = JournalOwner.read(folder / "writer.json")
        except InvalidInput as error:
            if run is None:
                raise
            _log.warning("keepbest: %s keepbest treats it as a journal of run %s.", error.message, run)
            about = JournalOwner(run, folder.name, lease)
        journal = cls(folder, about)
        journal.is_read_only = read_only
        journal._open()
        return journal

    def __len__(self) -> int:
        """Return how many batches wait for the tracker."""
        return len(self._entries)

    @property
    def is_on_disk(self) -> bool:
        """Whether every waiting batch would survive this process."""
        return not self._unwritten

    @property
    def aside_path(self) -> Path:
        """The file for entries that the tracker does not take."""
        return set_aside.place_of(self.folder, self.about.run)

    def append(self, number: int, body: bytes) -> None:
        """Keep a batch until it is acknowledged. If the disk fails, the batch waits in memory; nothing raises."""
        entry = _Entry(number, len(body), body=body)
        self.last_number = number
        self._entries.append(entry)
        self._unwritten.append(entry)
        self._spill()
        self._shed()
        self.sync()

    def first(self) -> tuple[int, bytes] | None:
        """Return number and body of the oldest waiting batch, or None."""
        if not self._entries:
            return None
        entry = self._entries[0]
        return entry.number, self._body(entry)

    def acknowledge(self, number: int) -> None:
        """Forget every batch up to `number`, which the tracker made durable."""
        while self._entries and self._entries[0].number <= number:
            entry = self._entries.popleft()
            if self._unwritten and self._unwritten[0] is entry:
                self._unwritten.popleft()
            if entry.damaged is not None:
                self._keep_damaged(entry.number, *entry.damaged)
        self._write_acknowledged(number)
        if not self._entries:
            self._empty()

    def renumber(self) -> None:
        """Give all waiting batches to a new writer, from 1, because the tracker lost batches that it acknowledged."""
        bodies = [self._body(entry) for entry in self._entries]
        writer = new_id()
        self.about = JournalOwner(self.about.run, writer, self.about.lease)
        self.trouble.forget()
        self._entries.clear()
        self._unwritten.clear()
        self._empty()
        self._write_acknowledged(0)
        self.last_number = 0
        for number, body in enumerate(bodies, start=1):
            self.append(number, wire.renumbered(body, writer, number))

    def sync(self, *, force: bool = False) -> None:
        """Fsync if it is due: at most once a second, and only while batches wait."""
        due = force or self._clock() - self._synced_at >= FSYNC_SECONDS
        if self._spool is None or not self._entries or not due:
            return
        try:
            self._spool.sync()
        except OSError as error:
            self._report(error)
        self._synced_at = self._clock()

    def close(self) -> None:
        """Close the file, and remove the journal if it is empty and no file waits beside it."""
        if self._spool is None:
            return
        self._spill()
        self.sync(force=True)
        self._spool.close()
        self._spool = None
        if not self._entries and not self.is_read_only and not has_parcels(self.folder):
            shutil.rmtree(self.folder, ignore_errors=True)

    def _open(self) -> None:
        self._spool = Spool(self.folder / "batches", max_bytes=self._limits[0], read_only=self.is_read_only)
        acknowledged = self._read_acknowledged()
        self.last_number = acknowledged
        for number, offset, length in self._spool.read_all():
            self._fill_gap(self._spool, number)
            self.last_number = max(number, self.last_number)
            if number > acknowledged:
                self._entries.append(_Entry(number, length, offset))

    def _fill_gap(self, spool: Spool, number: int) -> None:
        """Put empty batches in place of the damaged ones before batch `number`, because no number may be missing."""
        missing = range(self.last_number + 1, number)
        if not spool.damaged or not missing or len(missing) > sum(size for _, size in spool.damaged) // LEAST_BYTES:
            return
        place = spool.damaged[-1]
        for lost in missing:
            body = wire.empty(self.about.writer, lost)
            self._entries.append(_Entry(lost, len(body), body=body, damaged=place if lost == missing[0] else None))

    def _keep_damaged(self, number: int, offset: int, length: int) -> None:
        """Set aside the rest of a damaged batch, with a warning."""
        about, path = self.about, self.aside_path
        raw = self._spool.read(offset, length) if self._spool else b""
        problem = set_aside.keep(about, path, number, raw, "it was damaged on disk")
        self.set_aside += 1
        where = problem or f"the rest of it is in {path}"
        _log.warning("keepbest: batch %d of run %s was damaged on disk; %s.", number, about.run, where)

    def _spill(self) -> None:
        """Write the batches in memory to disk, oldest first, so that the file never has a gap."""
        if self._spool is None:
            return
        while self._unwritten:
            entry = self._unwritten[0]
            try:
                entry.offset = self._spool.write(entry.number, entry.body or b"")
            except OSError as error:
                self._report(error)
                return
            entry.body = None
            self._unwritten.popleft()
        self.problem = None

    def _shed(self) -> None:
        """As the last resort, drop points and log lines, oldest first, until memory is within its limit."""
        held = sum(entry.size for entry in self._unwritten)
        for entry in self._unwritten:
            if held <= self._limits[1]:
                return
            body = wire.without_bulk(entry.body or b"")
            dropped = wire.count_points(entry.body or b"")
            held -= entry.size - len(body)
            entry.body, entry.size = body, len(body)
            self.dropped_points += dropped
            if dropped:
                _log.warning("keepbest: dropped %d points, because %s and memory is full too.", dropped, self.problem)

    def _body(self, entry: _Entry) -> bytes:
        if entry.body is not None:
            return entry.body
        body = self._spool.read(entry.offset or 0, entry.size) if self._spool else b""
        if len(body) == entry.size:
            return wire.to_present(body)
        _log.warning("keepbest: batch %d cannot be read back from %s; it is lost.", entry.number, self.folder)
        return wire.empty(self.about.writer, entry.number)

    def _empty(self) -> None:
        if self._spool is not None and self._spool.end:
            self._spool.cut(0)

    def _write_acknowledged(self, number: int) -> None:
        packed = _ACKNOWLEDGED.pack(number, zlib.crc32(number.to_bytes(8, "little")))
        with suppress(OSError):  # the tracker takes a batch that is sent twice only once
            (self.folder / "acknowledged").write_bytes(packed)

    def _read_acknowledged(self) -> int:
        with suppress(OSError, struct.error):
            number, checksum = _ACKNOWLEDGED.unpack((self.folder / "acknowledged").read_bytes())
            if checksum == zlib.crc32(number.to_bytes(8, "little")):
                return int(number)
        return 0

    def _report(self, error: OSError) -> None:
        problem = f"the journal in {self.folder} cannot be written ({error.strerror or error})"
        if problem != self.problem:
            _log.warning("keepbest: %s. Training goes on, and its records wait in memory. Free some space.", problem)
        self.problem = problem
