"""Events, as pages and as a stream (SSE)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from flask import Blueprint, Response, request
from pydantic import Field

from keepbest import __version__
from keepbest.contract.base import Shape
from keepbest.contract.events import Event, EventPage, Health
from keepbest.contract.names import Name
from keepbest.errors import KeepbestError
from tracker import db
from tracker.api import access
from tracker.api.envelope import now, reply, route_schema, service, transaction
from tracker.db import Connection
from tracker.services.event_hub import Hub, Message, encode
from tracker.store import events, runs, shares
from tracker.store.access.users import Principal

blueprint = Blueprint("events", __name__)

Select = Callable[[Sequence[Message]], list[bytes]]

#: Seconds after which a stream without events sends a heartbeat.
HEARTBEAT = 15.0
#: Seconds after which a stream ends and the browser opens another.
STREAM_SECONDS = 300.0
_RECONNECT = b"retry: 1000\n\n"


class StreamQuery(Shape):
    """Which events to send; `after` is the number of the last one seen (a browser sends it as Last-Event-ID)."""

    after: int | None = Field(default=None, ge=0, le=2**53)
    run: str | None = Field(default=None, max_length=12)
    project: Name | None = None


class EventQuery(StreamQuery):
    limit: int = Field(default=500, ge=1, le=5000)


@blueprint.get("/events")
@route_schema(EventPage, query=EventQuery)
def list_events(conn: Connection, query: EventQuery) -> EventPage:
    """List the events after a number; without one, none yet and in `next` where to go on from now."""
    horizon = service().hub.horizon.advance(conn)
    if query.after is None:
        return EventPage(events=[], next=horizon)
    if query.after > horizon or query.after < events.min_seq(conn) - 1:
        return EventPage(events=[], next=horizon, gap=True)
    run = None if query.run is None else runs.get_run(conn, query.run).id
    result = events.read_events(conn, query.after, horizon, limit=query.limit, run=run, project=query.project)
    following = result[-1].seq if len(result) == query.limit else horizon
    return EventPage(events=shares.narrow_events(conn, access.principal(), result), next=following)


@blueprint.get("/stream")
@route_schema(Event, query=StreamQuery, transact=False, media="text/event-stream")
def stream(query: StreamQuery) -> Response:
    """Send events as they happen; past the limit of streams 503, and the page polls `GET /events`."""
    run = None
    if query.run is not None:
        with transaction() as conn:
            run = str(runs.get_run(conn, query.run).id)
    last = request.headers.get("Last-Event-ID", "")
    after = int(last) if last.isascii() and last.isdigit() and len(last) <= 16 else query.after
    hub = service().hub
    begin = hub.enter()
    after = begin if after is None or after > begin else after
    select = _select_for(access.principal(), run, query.project)
    frames = _Frames(hub, after, select, may_listen=access.watch_credential())
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return Response(frames, content_type="text/event-stream", headers=headers, direct_passthrough=True)


@blueprint.get("/health")
@route_schema(Health, transact=False)
def show_health() -> Response:
    """Say whether the tracker works; open to all, so it says little."""
    try:
        with transaction() as conn:
            revision = db.schema_revision(conn)
            kind = conn.dialect.name
    except KeepbestError as error:
        return reply(Health(status=error.message, version=__version__), 503)
    fits = revision == db.REVISION
    status = "ok" if fits else f"The database has schema {revision}, this keepbest needs {db.REVISION}."
    health = Health(status=status, version=__version__, database=kind, schema_revision=revision)
    return reply(health, 200 if fits else 503)


def _select_for(principal: Principal, run: str | None, project: str | None) -> Select:
    """Return the function that selects what a stream sends: of one run, of one project, of what a link shows."""
    engine = service().engine

    def select(messages: Sequence[Message]) -> list[bytes]:
        wanted = [
            message
            for message in messages
            if run in (None, message.event.run) and project in (None, message.event.project)
        ]
        if principal.share is None or not wanted:
            return [message.frame for message in wanted]
        with db.read(engine) as conn:
            seen = shares.narrow_events(conn, principal, [message.event for message in wanted])
        return [encode(event).frame for event in seen]

    return select


class _Frames:
    """The stream's bytes. This is a class because Python does not close a generator that was never started."""

    def __init__(self, hub: Hub, after: int, select: Select, *, may_listen: Callable[[], bool]) -> None:
        self._hub, self._after, self._select = hub, after, select
        self._may_listen = may_listen
        self._ends = now().timestamp() + STREAM_SECONDS
        self._clock = service().clock
        self._has_begun = False
        self._has_left = False

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        if not self._has_begun:
            self._has_begun = True
            return _RECONNECT
        wakes = self._hub.wakes  # read before the check: a credential that ends after the check then wakes the wait
        self._end_unless(not self._hub.is_closed and self._clock().timestamp() < self._ends and self._may_listen())
        messages = self._hub.wait(self._after, HEARTBEAT, wakes)
        self._end_unless(wakes == self._hub.wakes or self._may_listen())
        if messages:
            self._after = messages[-1].seq
        return b"".join(self._select(messages)) or b": still here\n\n"

    def close(self) -> None:
        """Free the stream's place; the server calls this when the stream ends or the browser has gone."""
        if not self._has_left:
            self._has_left = True
            self._hub.leave()

    def _end_unless(self, goes_on: bool) -> None:
        if not goes_on:
            self.close()
            raise StopIteration
