"""Events: what happened, in an order that the database gives. The stream sends the same objects."""

from __future__ import annotations

from pydantic import Field

from keepbest.contract.base import Answer, Id, Json, Moment


class Event(Answer):
    """`data` holds the fields that changed, named as in the object they belong to (`run.*`: fields of `Run`)."""

    seq: int
    kind: str
    project: str | None = None
    run: Id | None = None
    data: dict[str, Json] = Field(default_factory=dict)
    at: Moment


class EventPage(Answer):
    """`next` is what to ask for as `after`; `gap` says that events between were pruned: read the objects anew."""

    events: list[Event]
    next: int
    gap: bool = False


class Health(Answer):
    """`status` is ok, or what is wrong; `schema_revision` the database's Alembic revision."""

    status: str
    version: str
    database: str | None = None
    schema_revision: str | None = None
