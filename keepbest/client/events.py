"""Follows events: from the stream if the tracker has one, else by polling.

Every event of the stream can also be requested. So if the stream breaks, the next request goes on after the last
sequence number.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

from keepbest.client.transport import Transport
from keepbest.contract.events import Event, EventPage
from keepbest.errors import Busy, NotFound, Unreachable

POLL_SECONDS = 1.0
#: The stream sends a comment each 15 seconds; after so much silence the stream counts as broken.
SILENCE_SECONDS = 40.0
#: The follower waits so long for a tracker that restarts.
AWAY_SECONDS = 120.0


class EventSource(Protocol):
    """The part of a client that following events needs."""

    @property
    def transport(self) -> Transport: ...

    def events(self, *, after: int | None, run: str | None, project: str | None) -> EventPage: ...


@dataclass(slots=True)
class Follower:
    """One reader of events and its place in them."""

    source: EventSource
    run: str | None
    project: str | None
    after: int | None
    sleep: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic

    def events(self) -> Iterator[Event | None]:
        """Yield every event after `after`, by default from now on, and None whenever a while has passed without one.

        Raises Unreachable if the tracker does not answer for AWAY_SECONDS.
        """
        answered_at = self.clock()
        while True:
            try:
                yield from self._page()
                answered_at = self.clock()
                yield from self._stream()
            except Busy:
                self.sleep(POLL_SECONDS)
            except Unreachable:
                if self.clock() - answered_at > AWAY_SECONDS:
                    raise
                yield None
                self.sleep(POLL_SECONDS)

    def _page(self) -> Iterator[Event | None]:
        page = self.source.events(after=self.after, run=self.run, project=self.project)
        self.after = page.next
        yield from page.events
        if not page.events:
            yield None

    def _stream(self) -> Iterator[Event | None]:
        query = {"after": self.after, "run": self.run, "project": self.project}
        try:
            pieces = self.source.transport.stream("/stream", query=query, read_seconds=SILENCE_SECONDS)
            for line in _lines(pieces):
                event = Event.model_validate_json(line[5:]) if line.startswith(b"data:") else None
                self.after = event.seq if event else self.after
                if event or line.startswith(b":"):
                    yield event
        except NotFound as error:
            raise Busy from error  # without a stream, `events` polls


def _lines(pieces: Iterable[bytes]) -> Iterator[bytes]:
    rest = b""
    for piece in pieces:
        *lines, rest = (rest + piece).split(b"\n")
        yield from lines
