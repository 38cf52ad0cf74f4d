"""The events as they happen: one tail of the table a process, one hub for every stream.

Only as far as the horizon is anything told: the number below which no event can appear any more. SQLite has one
writer, so there it is the newest number. On Postgres a number missing below it may belong to a transaction that has
not ended; then the horizon waits until every transaction that was writing events at that moment has.

The tail validations every `TICK` seconds, and only while somebody listens. What it finds is merged (the newest state of
a run says it all), encoded once for all streams, and kept in a ring; a stream that fell behind the ring reads the
table.
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

#: Seconds; also what makes it at most one message of a kind about a run each quarter of a second.
TICK = 0.25
#: Events that a tick or a stream reads from the table at once.
READ = 2000
#: Events kept in memory for streams.
RING = 4000
#: Kinds of which a newer one about the same run replaces an older one, field by field.
_MERGED = frozenset({"run.progress", "run.validation", "run.best"})


@dataclass(frozen=True, slots=True)
class Message:
    """One event, encoded as a message of the stream."""

    seq: int
    event: Event
    frame: bytes


class Horizon:
    """How far events can be read without missing one that is committed late."""

    def __init__(self) -> None:
        self.seq = 0
        self._started = False
        self._lock = threading.Lock()
        self._waits_for: frozenset[str] = frozenset()
        self._then = 0

    def advance(self, conn: Connection) -> int:
        """Look again, and return the horizon."""
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
    """The newest messages; `start` is the number after which it holds every one."""

    def __init__(self) -> None:
        self._messages: deque[Message] = deque()
        self.start = 0
        self.end = 0

    def reset(self, seq: int) -> None:
        """Forget everything, and go on after this number."""
        self._messages.clear()
        self.start = self.end = seq

    def push(self, messages: Iterable[Message], end: int) -> None:
        """Take messages in; with them the ring knows all up to `end`."""
        self._messages.extend(messages)
        self.end = end
        while len(self._messages) > RING:
            self.start = self._messages.popleft().seq

    def after(self, seq: int) -> list[Message]:
        return [message for message in self._messages if message.seq > seq]


class Hub:
    """Hands the events out: a stream enters, waits for news as often as it likes, and leaves."""

    def __init__(self, engine: Engine, most: int) -> None:
        self._engine = engine
        self._most = most
        self._horizon = Horizon()
        self._ring = MessageBuffer()
        self._listeners = 0
        self._thread: threading.Thread | None = None
        self._changed = threading.Condition()
        self.is_closed = False
        #: How often all streams were woken without news; a stream passes on what it saw last.
        self.wakes = 0

    def horizon(self, conn: Connection) -> int:
        """Return how far events can be read now."""
        return self._horizon.advance(conn)

    def enter(self) -> int:
        """Count a stream in and return where it begins; raises Busy past the limit, or when the tracker is ending."""
        with db.read(self._engine) as conn:
            begin = self.horizon(conn)
        with self._changed:
            if self.is_closed or self._listeners >= self._most:
                raise _full(self._most)
            if self._listeners == 0:
                self._ring.reset(begin)
            self._listeners += 1
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="event tail", daemon=True)
                self._thread.start()
            self._changed.notify_all()
        return begin

    def leave(self) -> None:
        """Count a stream out."""
        with self._changed:
            self._listeners -= 1

    def close(self) -> None:
        """End every stream, and the tail; returns when it has ended."""
        with self._changed:
            self.is_closed = True
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join()

    def wake(self) -> None:
        """Have every stream validation whether it may go on."""
        with self._changed:
            self.wakes += 1
            self._changed.notify_all()

    def wait(self, after: int, seconds: float, wakes: int | None = None) -> list[Message]:
        """Return what came after this number, as soon as there is something; nothing after `seconds`.

        With `wakes` it also returns as soon as there were more of them.
        """
        with self._changed:
            self._changed.wait_for(
                lambda: self.is_closed or self._ring.end > after or wakes not in (None, self.wakes), seconds
            )
            if after >= self._ring.start:
                return self._ring.after(after)
            upto = self._ring.end
        with db.read(self._engine) as conn:
            return [_message(event) for event in events.read_events(conn, after, upto, limit=READ)]

    def _run(self) -> None:
        while not self.is_closed:
            with self._changed:
                self._changed.wait_for(lambda: self.is_closed or self._listeners > 0)
                after = self._ring.end
            try:
                self._tick(after)
            except Exception:  # the tail outlives its own bugs: streams would stand still, and nobody would know why
                _log.exception("Reading events failed; it is tried again.")
            with self._changed:
                self._changed.wait_for(lambda: self.is_closed, TICK)

    def _tick(self, after: int) -> None:
        """Read what is new, and wake the streams."""
        try:
            with db.read(self._engine) as conn:
                upto = self._horizon.advance(conn)
                result = events.read_events(conn, after, upto, limit=READ)
        except KeepbestError:
            return  # the database is away: streams go on with heartbeats, the next tick tries again
        if upto > after:
            end = result[-1].seq if len(result) == READ else upto
            messages = [_message(event) for event in merge(result)]
            with self._changed:
                if self._ring.end == after:  # else it was reset meanwhile
                    self._ring.push(messages, end)
                    self._changed.notify_all()


def merge(result: Iterable[Event]) -> list[Event]:
    """Return the events with those of one kind about one run made one: the newest, with all fields told since."""
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


def _message(event: Event) -> Message:
    return Message(event.seq, event, b"id: %d\ndata: %s\n\n" % (event.seq, event.model_dump_json().encode()))


def _full(most: int) -> Busy:
    busy = Busy(f"The tracker serves {most} live streams already.", hint="Poll GET /api/v1/events instead.")
    busy.retry_after = 5
    return busy
