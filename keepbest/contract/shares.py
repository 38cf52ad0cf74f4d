"""Read-only links to one run, or to the runs of a project that a filter means."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from keepbest.contract.base import Answer, Id, Moment, PlainName, Shape
from keepbest.contract.names import Name

#: Days that a link lasts: an hour at least.
SHORTEST_DAYS, USUAL_DAYS, LONGEST_DAYS = 1 / 24, 7.0, 90.0
#: Characters of a link's filter, as many as any filter may have.
MAX_FILTER = 2000
#: Characters of what the page's address holds after its path.
MAX_QUERY = 4000


class ShareRequest(Shape):
    """Asks for a link to `run`, or to the runs of `project` that the filter `q` means.

    `query` is what the page's address holds after its path; it chooses columns and panels, and shows no further run.
    """

    name: PlainName | None = None
    run: str | None = Field(default=None, max_length=12)
    project: Name | None = None
    q: str = Field(default="", max_length=MAX_FILTER)
    query: str = Field(default="", max_length=MAX_QUERY, pattern=r"^(\?[^#]*)?$")
    days: float = Field(default=USUAL_DAYS, ge=SHORTEST_DAYS, le=LONGEST_DAYS)

    @model_validator(mode="after")
    def _check_of_one(self) -> Self:
        if (self.run is None) == (self.project is None):
            raise ValueError("name either a run or a project")
        if self.run is not None and self.q:
            raise ValueError("a filter belongs to a project, not to a run")
        return self


class SharedPlace(Answer):
    """What a read-only link shows: the page at `path`, until `expires_at`. `by` is the person who made the link."""

    by: str
    expires_at: Moment
    project: str
    run: Id | None = None
    q: str = ""
    path: str


class Share(Answer):
    """A read-only link. The tracker returns `path` once, when it makes the link, and keeps only its secret's hash."""

    id: Id
    name: str
    user: str
    project: str
    run: Id | None = None
    run_name: str | None = None
    q: str = ""
    query: str = ""
    created_at: Moment
    last_used_at: Moment | None = None
    expires_at: Moment
    path: str | None = Field(default=None, repr=False)


class ShareList(Answer):
    """The links that are still valid, the newest first."""

    shares: list[Share]
