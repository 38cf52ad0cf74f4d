"""Buffer -> journal -> tracker, in one thread of its own; training never waits for a disk or the network.

Every 250 ms, or as soon as 64 KB of points wait, the thread turns the buffer into a batch, appends it to the journal
and sends what the journal holds, in order. While the tracker is away it tries again with growing pauses and goes on
filling the journal. A killed process loses what the buffer held: at most the last 250 ms, or the time one request
takes where the tracker hangs.
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
from keepbest.journal.journal import BatchClient, Journal

EVERY_SECONDS = 0.25
POLL_SECONDS = 1.0
FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 10.0
#: 64 KB of points of 24 bytes.
WAKE_ITEMS = 2_700
#: Calls of `log` that may wait while one request hangs; beyond that the oldest are dropped and counted.
MAX_ITEMS = 2_000_000

_log = logging.getLogger("keepbest")


class UploadClient(BatchClient, Protocol):
    """As much of `keepbest.client.client.Client` as reporting needs."""

    def commands(self, run: str, *, open_only: bool = False) -> CommandList: ...


class Uploader:
    """Reports one run. Without a client it only fills the journal.

    `on_command` gets each command once, `on_lost` the error after which nothing is sent any more (LeaseLost, NotFound,
    NotAuthenticated, …); both are called in the uploader's thread and must return at once.
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
        self._client = client
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
        self._heard_at = self._next_try = self._collected_at = clock()
        self._pause = 0.0
        self._wake, self._settled, self._closing = Event(), Event(), Event()
        self._thread = Thread(target=self._work, name=f"keepbest-uploader-{journal.about.run}", daemon=True)

    @property
    def is_offline(self) -> bool:
        """Whether there is no tracker to report to: the journal is all."""
        return self._client is None

    def start(self) -> None:
        self._thread.start()

    def put(self, item: Logged | Record) -> None:
        """Take one thing to report. Costs the caller an append; safe from any thread."""
        self._append(item)
        waiting = len(self._buffer)
        if waiting >= WAKE_ITEMS and not self._wake.is_set():
            self._wake.set()
            if waiting > MAX_ITEMS:
                self._buffer.popleft()
                self.dropped_calls += 1

    def watch(self, ask: Callable[[], Record | None]) -> None:
        """Ask at each turn, in the uploader's thread, whether there is something to report besides what was put."""
        self._watched.append(ask)

    def nudge(self) -> None:
        """Have everything written and sent now rather than at the next turn."""
        self._wake.set()

    def write_down(self, seconds: float) -> bool:
        """Wait until everything put so far is in the journal, or the time is over; return whether it is."""
        written = Event()
        self._waiting.append(written)
        self._wake.set()
        return self._thread.is_alive() and written.wait(seconds)

    def drain(self, seconds: float) -> bool:
        """Wait until everything put so far is acknowledged (offline: in the journal), or the time is over.

        Return whether it was.
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
        """Write what is left into the journal and end the thread; what was not acknowledged stays on disk."""
        self._closing.set()
        self._watched.clear()  # they hold what they look at
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
            except Exception:  # the thread outlives its own bugs: training is not their victim
                _log.exception("keepbest: reporting met an error of its own and goes on.")
                self._back_off()

    def _turn(self) -> None:
        self._collect()
        if self._may_send():
            try:
                self._send()
                self._poll()
            except KeepbestError as error:
                self._meet(error)
        self.journal.sync()
        if not self._buffer and (not len(self.journal) or self._client is None or self.lost_to):
            self._settled.set()

    def _collect(self) -> None:
        """Move everything from the buffer into the journal."""
        self._collected_at = self._clock()
        waiting = [self._waiting.popleft() for _ in range(len(self._waiting))]
        self._buffer.extend(record for ask in self._watched if (record := ask()) is not None)
        while self._buffer:
            draft = Draft()
            while self._buffer and not draft.is_full:
                self._add(draft, self._buffer.popleft())
            number = self.journal.last_number + 1
            self.journal.append(number, draft.encode(self.journal.about.writer, number))
        for written in waiting:
            written.set()

    def _add(self, draft: Draft, item: Logged | Record) -> None:
        try:
            draft.add(item)
        except Exception:
            _log.exception("keepbest: this cannot be reported and is left out: %.200r", item)

    def _may_send(self) -> bool:
        return self._client is not None and self.lost_to is None and self._clock() >= self._next_try

    def _send(self) -> None:
        while len(self.journal) and self._client is not None and not self._closing.is_set():
            receipt = send_first(self.journal, self._client)
            if receipt is not None:
                self._keep(receipt)
                self._hear(receipt.commands)
            if self._clock() - self._collected_at >= self._every_seconds:
                self._collect()  # a long journal takes a while to send; what is logged meanwhile belongs on disk

    def _keep(self, receipt: BatchReceipt) -> None:
        """Remember the newest answer; it says where the run would go on only when that may have changed."""
        if receipt.resume_checkpoint is None and self.receipt is not None:
            receipt = receipt.model_copy(update={"resume_checkpoint": self.receipt.resume_checkpoint})
        self.receipt = receipt

    def _poll(self) -> None:
        if self._client is not None and self._clock() - self._heard_at >= self._poll_seconds:
            self._hear(self._client.commands(self.journal.about.run, open_only=True).commands)

    def _hear(self, commands: list[Command]) -> None:
        """Take what the tracker answered: it is there, and these commands are open."""
        self._heard_at = self._clock()
        if self.problem is not None:
            _log.warning("keepbest: the tracker answers again; %d batches are still to be sent.", len(self.journal))
        self.problem, self._pause = None, 0.0
        for command in commands:
            if command.id not in self._seen:
                self._seen.add(command.id)
                self._on_command(command)

    def _meet(self, error: KeepbestError) -> None:
        """Decide what an error means: wait and try again, or stop sending and tell the owner."""
        if is_passing(error):
            if self.problem is None:
                _log.warning("keepbest: %s Training goes on; its record is kept in %s.", error, self.journal.folder)
            self.problem = error.message
            self._back_off()
            return
        self.lost_to, self.problem = error, error.message
        _log.warning("keepbest: nothing is sent any more (%s). The record is kept in %s.", error, self.journal.folder)
        self._on_lost(error)

    def _back_off(self) -> None:
        self._pause = min(LONGEST_PAUSE_SECONDS, self._pause * 2 or FIRST_PAUSE_SECONDS)
        self._next_try = self._clock() + self._pause

    def _is_done(self) -> bool:
        return not self._buffer and (self._client is None or not len(self.journal))
