"""Defines events, in the order of the database. The stream sends the same objects."""

from __future__ import annotations

from pydantic import Field

from keepbest.contract.base import Answer, Id, Json, Moment


class Event(Answer):
    """Something that happened. `data` holds the object's changed fields: a `Run`'s if `kind` begins with `run.`."""

    seq: int
    kind: str
    project: str | None = None
    run: Id | None = None
    data: dict[str, Json] = Field(default_factory=dict)
    at: Moment


class EventPage(Answer):
    """Events in order. `next` is the next request's `after`. If `gap`, events are lost: read the objects anew."""

    events: list[Event]
    next: int
    gap: bool = False


class Health(Answer):
    """The tracker's health: `status` is ok or says what is wrong; `schema_revision` is the Alembic revision."""

    status: str
    version: str
    database: str | None = None
    schema_revision: str | None = None
