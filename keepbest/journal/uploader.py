"""Buffer -> journal -> tracker, in one thread: training never waits for a disk or the network.

Every 250 ms, or as soon as 64 KB of points wait, the thread turns the buffer into a batch, appends the batch to the
journal and sends the journal in order. While the tracker is away the thread retries with growing pauses and goes on
filling the journal. A killed process loses its buffer: at most the last 250 ms, or the time of one request if the
tracker hangs.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable
from threading import Event, Thread
from typing import Protocol

from keepbest.contract.batches import BatchReceipt
from keepbest.contract.commands import Command, CommandList
from keepbest.errors import KeepbestError
from keepbest.journal.batch import Draft, Logged, Record
from keepbest.journal.delivery import is_passing, send_first
from keepbest.journal.file_delivery import FileClient
from keepbest.journal.journal import BatchClient, Journal

EVERY_SECONDS = 0.25
POLL_SECONDS = 1.0
FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 10.0
#: 64 KB of points of 24 bytes.
WAKE_ITEMS = 2_700
#: Calls of `log` that may wait while one request hangs; older calls are dropped and counted.
MAX_ITEMS = 2_000_000

_log = logging.getLogger("keepbest")


class UploadClient(BatchClient, FileClient, Protocol):
    """The part of `keepbest.client.client.Client` that reports a run."""

    def commands(self, run: str, *, open_only: bool = False) -> CommandList: ...


class Uploader:
    """Reports one run. Without a client it only fills the journal.

    `on_command` gets each command once. `on_lost` gets the final error (LeaseLost, NotFound, NotAuthenticated, …),
    after which nothing more is sent. The uploader's thread calls both; they must return at once.
    """

    def __init__(
        self,
        journal: Journal,
        client: UploadClient | None,
        *,
        on_command: Callable[[Command], None] = lambda command: None,
        on_lost: Callable[[KeepbestError], None] = lambda error: None,
        every_seconds: float = EVERY_SECONDS,
        poll_seconds: float = POLL_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.journal = journal
        self.lost_to: KeepbestError | None = None
        self.problem: str | None = None
        self.receipt: BatchReceipt | None = None
        self.dropped_calls = 0
        #: The tracker; None offline.
        self.client = client
        self._on_command = on_command
        self._on_lost = on_lost
        self._every_seconds = every_seconds
        self._poll_seconds = poll_seconds
        self._clock = clock
        self._buffer: deque[Logged | Record] = deque()
        self._waiting: deque[Event] = deque()
        self._append = self._buffer.append
        self._watched: list[Callable[[], Record | None]] = []
        self._seen: set[str] = set()
        self._answered_at = self._next_try = self._collected_at = clock()
        self._pause = 0.0
        self._wake, self._settled, self._closing = Event(), Event(), Event()
        self._thread = Thread(target=self._work, name=f"keepbest-uploader-{journal.about.run}", daemon=True)

    @property
    def is_offline(self) -> bool:
        """Whether the uploader has no tracker and only fills the journal."""
        return self.client is None

    def start(self) -> None:
        self._thread.start()

    def put(self, item: Logged | Record) -> None:
        """Take one point or record. Costs the caller an append; safe from any thread."""
        self._append(item)
        waiting = len(self._buffer)
        if waiting >= WAKE_ITEMS and not self._wake.is_set():
            self._wake.set()
            if waiting > MAX_ITEMS:
                self._buffer.popleft()
                self.dropped_calls += 1

    def watch(self, ask: Callable[[], Record | None]) -> None:
        """Call `ask` at each turn in the uploader's thread, and report the record that it returns, if any."""
        self._watched.append(ask)

    def send_now(self) -> None:
        """Write and send everything now rather than at the next turn."""
        self._wake.set()

    def write_down(self, seconds: float) -> bool:
        """Wait up to `seconds` until the journal holds everything put so far; return whether it does."""
        written = Event()
        self._waiting.append(written)
        self._wake.set()
        return self._thread.is_alive() and written.wait(seconds)

    def drain(self, seconds: float) -> bool:
        """Wait up to `seconds` until everything put so far is acknowledged (offline: in the journal).

        Returns whether it is.
        """
        deadline = time.monotonic() + seconds
        while self._thread.is_alive():
            self._settled.clear()
            self._next_try, self._pause = self._clock(), 0.0
            self._wake.set()
            left = deadline - time.monotonic()
            if self._settled.wait(max(0.0, min(left, 1.0))):
                return self._is_done()
            if left <= 0:
                return False
        return self._is_done()

    def close(self, seconds: float = 5.0) -> None:
        """Write the buffer into the journal and end the thread; batches without acknowledgement stay on disk."""
        self._closing.set()
        self._watched.clear()  # the functions hold references to what they watch
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join(seconds)
        if not self._thread.is_alive():
            self._collect()
            self.journal.close()

    def _work(self) -> None:
        while not self._closing.is_set():
            self._wake.wait(self._every_seconds)
            self._wake.clear()
            try:
                self._turn()
            except Exception:  # a bug in reporting must not end the reporting of a training
                _log.exception("keepbest: reporting run %s met an error and goes on.", self.journal.about.run)
                self._back_off()

    def _turn(self) -> None:
        self._collect()
        if self.client is not None and self.lost_to is None and self._clock() >= self._next_try:
            try:
                self._send()
                self._poll()
            except KeepbestError as error:
                self._handle_error(error)
        self.journal.sync()
        if not self._buffer and (not len(self.journal) or self.client is None or self.lost_to):
            self._settled.set()

    def _collect(self) -> None:
        """Move everything from the buffer into the journal."""
        self._collected_at = self._clock()
        waiting = [self._waiting.popleft() for _ in range(len(self._waiting))]
        self._buffer.extend(record for ask in self._watched if (record := ask()) is not None)
        while self._buffer:
            draft = Draft()
            while self._buffer and not draft.is_full:
                item = self._buffer.popleft()
                try:
                    draft.add(item)
                except Exception:
                    _log.exception("keepbest: this cannot be reported and is left out: %.200r", item)
            number = self.journal.last_number + 1
            self.journal.append(number, draft.encode(self.journal.about.writer, number))
        for written in waiting:
            written.set()

    def _send(self) -> None:
        while len(self.journal) and self.client is not None and not self._closing.is_set():
            receipt = send_first(self.journal, self.client)
            if receipt is not None:
                self._keep(receipt)
                self._note_answer(receipt.commands)
            if self._clock() - self._collected_at >= self._every_seconds:
                self._collect()  # a long journal takes a while to send; points logged meanwhile must reach the disk

    def _keep(self, receipt: BatchReceipt) -> None:
        """Keep the newest answer. It names the resume checkpoint only if that may have changed."""
        if receipt.resume_checkpoint is None and self.receipt is not None:
            receipt = receipt.model_copy(update={"resume_checkpoint": self.receipt.resume_checkpoint})
        self.receipt = receipt

    def _poll(self) -> None:
        if self.client is not None and self._clock() - self._answered_at >= self._poll_seconds:
            self._note_answer(self.client.commands(self.journal.about.run, open_only=True).commands)

    def _note_answer(self, commands: list[Command]) -> None:
        """Note that the tracker answers, and pass on its open commands."""
        self._answered_at = self._clock()
        if self.problem is not None:
            _log.warning("keepbest: the tracker answers again; %d batches wait to be sent.", len(self.journal))
        self.problem, self._pause = None, 0.0
        for command in commands:
            if command.id not in self._seen:
                self._seen.add(command.id)
                self._on_command(command)

    def _handle_error(self, error: KeepbestError) -> None:
        """Retry later after a passing error; after any other, stop sending and call `on_lost`."""
        if is_passing(error):
            if self.problem is None:
                _log.warning("keepbest: %s Training goes on; its records wait in %s.", error, self.journal.folder)
            self.problem = error.message
            self._back_off()
            return
        self.lost_to, self.problem = error, error.message
        run, folder = self.journal.about.run, self.journal.folder
        _log.warning("keepbest: nothing more of run %s is sent (%s). Its records are kept in %s.", run, error, folder)
        self._on_lost(error)

    def _back_off(self) -> None:
        self._pause = min(LONGEST_PAUSE_SECONDS, self._pause * 2 or FIRST_PAUSE_SECONDS)
        self._next_try = self._clock() + self._pause

    def _is_done(self) -> bool:
        return not self._buffer and (self.client is None or not len(self.journal))
