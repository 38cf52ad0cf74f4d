"""Sends events to streams as they happen: one thread of a process reads the table, one hub serves all streams.

Streams get events up to the horizon: the number up to which no further event can appear. SQLite has one writer, so
its horizon is the newest number. On Postgres a missing number may belong to a transaction that has not ended; the
horizon then waits until every transaction has ended that was writing events at that moment.

The thread reads every `TICK` seconds while there are streams. It merges events of one kind about one run (the newest
fields are enough), encodes each once for all streams, and keeps them in a buffer. A stream that fell behind the buffer
reads the table.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

from keepbest.contract.events import Event
from keepbest.errors import Busy, KeepbestError
from tracker import db
from tracker.db import Connection, Engine
from tracker.store import events

_log = logging.getLogger("tracker.services.event_hub")

#: Seconds between two reads, and so between two messages of one kind about one run.
TICK = 0.25
#: Events that a tick or a stream reads from the table at once.
READ = 2000
#: Messages that the buffer keeps.
BUFFERED = 4000
#: Kinds of events whose fields a newer event about the same run replaces.
_MERGED = frozenset({"run.progress", "run.validation", "run.best"})


@dataclass(frozen=True, slots=True)
class Message:
    """One event, encoded as a message of the stream."""

    seq: int
    event: Event
    frame: bytes


class Horizon:
    """The number up to which events can be read without missing one that is committed late."""

    def __init__(self) -> None:
        self.seq = 0
        self._started = False
        self._lock = threading.Lock()
        self._waits_for: frozenset[str] = frozenset()
        self._then = 0

    def advance(self, conn: Connection) -> int:
        """Return the horizon of now."""
        with self._lock:
            newest = events.max_seq(conn)
            if conn.dialect.name != "postgresql":
                self.seq = newest
            else:
                self._advance_slowly(conn, newest)
            return self.seq

    def _advance_slowly(self, conn: Connection, newest: int) -> None:
        if self._then:
            self._waits_for &= events.writers(conn)
            if self._waits_for:
                return
            self.seq, self._then = max(self.seq, self._then), 0
        if newest <= self.seq:
            return
        if not events.is_complete(conn, self.seq, newest):
            self._waits_for = events.writers(conn)
            if self._waits_for:
                self._then = newest
                return
        self.seq = newest


class MessageBuffer:
    """The newest messages: all after number `start`, up to number `end`."""

    def __init__(self) -> None:
        self._messages: deque[Message] = deque()
        self.start = 0
        self.end = 0

    def reset(self, seq: int) -> None:
        """Empty the buffer and go on after this number."""
        self._messages.clear()
        self.start = self.end = seq

    def push(self, messages: Iterable[Message], end: int) -> None:
        """Append messages, after which the buffer holds all up to `end`."""
        self._messages.extend(messages)
        self.end = end
        while len(self._messages) > BUFFERED:
            self.start = self._messages.popleft().seq

    def after(self, seq: int) -> list[Message]:
        return [message for message in self._messages if message.seq > seq]


class Hub:
    """Serves the streams: a stream enters, waits for events again and again, and leaves."""

    def __init__(self, engine: Engine, most: int) -> None:
        self._engine = engine
        self._most = most
        self.horizon = Horizon()
        self._buffer = MessageBuffer()
        self._listeners = 0
        self._thread: threading.Thread | None = None
        self._changed = threading.Condition()
        self.is_closed = False
        #: How often `wake` was called; a stream hands the count that it saw to `wait`.
        self.wakes = 0

    def enter(self) -> int:
        """Count a stream and return where it begins. Raises Busy past the limit, or when the tracker is ending."""
        with db.read(self._engine) as conn:
            begin = self.horizon.advance(conn)
        with self._changed:
            if self.is_closed or self._listeners >= self._most:
                busy = Busy(
                    f"The tracker serves {self._most} live streams already.", hint="Poll GET /api/v1/events instead."
                )
                busy.retry_after = 5
                raise busy
            if self._listeners == 0:
                self._buffer.reset(begin)
            self._listeners += 1
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="event tail", daemon=True)
                self._thread.start()
            self._changed.notify_all()
        return begin

    def leave(self) -> None:
        """Uncount a stream that has ended."""
        with self._changed:
            self._listeners -= 1

    def close(self) -> None:
        """End every stream and the reading thread; returns once the thread has ended."""
        with self._changed:
            self.is_closed = True
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join()

    def wake(self) -> None:
        """Have every stream check whether it may go on."""
        with self._changed:
            self.wakes += 1
            self._changed.notify_all()

    def wait(self, after: int, seconds: float, wakes: int | None = None) -> list[Message]:
        """Return the messages after this number as soon as there are any, or none after `seconds`.

        Given the count of `wakes`, also return at the next call of `wake`.
        """
        with self._changed:
            self._changed.wait_for(
                lambda: self.is_closed or self._buffer.end > after or wakes not in (None, self.wakes), seconds
            )
            if after >= self._buffer.start:
                return self._buffer.after(after)
            upto = self._buffer.end
        with db.read(self._engine) as conn:
            return [encode(event) for event in events.read_events(conn, after, upto, limit=READ)]

    def _run(self) -> None:
        while not self.is_closed:
            with self._changed:
                self._changed.wait_for(lambda: self.is_closed or self._listeners > 0)
                after = self._buffer.end
            try:
                self._tick(after)
            except Exception:  # without this thread every stream would stand still, and nobody would know why
                _log.exception("Reading events failed; trying again.")
            with self._changed:
                self._changed.wait_for(lambda: self.is_closed, TICK)

    def _tick(self, after: int) -> None:
        """Read the new events and wake the streams."""
        try:
            with db.read(self._engine) as conn:
                upto = self.horizon.advance(conn)
                result = events.read_events(conn, after, upto, limit=READ)
        except KeepbestError:
            return  # the database does not answer: streams send heartbeats, and the next tick tries again
        if upto > after:
            end = result[-1].seq if len(result) == READ else upto
            messages = [encode(event) for event in merge(result)]
            with self._changed:
                if self._buffer.end == after:  # else `enter` has reset the buffer meanwhile
                    self._buffer.push(messages, end)
                    self._changed.notify_all()


def merge(result: Iterable[Event]) -> list[Event]:
    """Return the events, with those of one mergeable kind about one run made one: the newest, with all their fields."""
    merged: dict[tuple[str, str | None], Event] = {}
    kept: list[Event] = []
    for event in result:
        key = (event.kind, event.run)
        earlier = merged.get(key) if event.kind in _MERGED else None
        if earlier is not None:
            kept.remove(earlier)
            event = event.model_copy(update={"data": {**earlier.data, **event.data}})
        merged[key] = event
        kept.append(event)
    return kept


def encode(event: Event) -> Message:
    """Return an event as a message of the stream."""
    return Message(event.seq, event, b"id: %d\ndata: %s\n\n" % (event.seq, event.model_dump_json().encode()))
