"""One action on many runs, with one result for each; and the queue, whose order priorities and places make."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from keepbest.contract.base import ID_LENGTH, Answer, Shape
from keepbest.contract.names import Name
from keepbest.contract.runs import Priority, Run
from keepbest.contract.tags import Tags
from keepbest.query.lexer import MAX_LENGTH
from keepbest.status import RunState

MAX_RUNS = 500

Reference = Annotated[str, Field(min_length=1, max_length=ID_LENGTH)]
ActionName = Literal["stop", "pause", "cancel", "delete", "undelete", "tag", "untag", "move", "priority"]
#: What an action needs to know beside its runs.
_NEEDS = {"tag": "tags", "untag": "tags", "move": "project", "priority": "priority"}


class RunsFilter(Shape):
    """The runs of a project that fit the filter `q`, the newest first; an answer's `cursor` asks for those behind."""

    project: Name
    q: str = Field(min_length=1, max_length=MAX_LENGTH)
    cursor: str | None = Field(default=None, max_length=200)
    limit: int = Field(default=MAX_RUNS, ge=1, le=MAX_RUNS)


class RunsAction(Shape):
    """An action on `runs`, or on those that fit a `filter`.

    `tag` and `untag` need `tags`, `move` needs a `project`, `priority` needs one. Deleted runs fit no filter.
    """

    runs: list[Reference] = Field(default_factory=list, max_length=MAX_RUNS)
    filter: RunsFilter | None = None
    action: ActionName
    tags: Tags | None = None
    project: Name | None = None
    priority: Priority | None = None

    @model_validator(mode="after")
    def _check_needs(self) -> RunsAction:
        if bool(self.runs) == (self.filter is not None):
            raise ValueError("an action names runs, or a filter, and not both")
        if self.action == "undelete" and self.filter is not None:
            raise ValueError("undelete names runs: deleted runs fit no filter")
        need = _NEEDS.get(self.action)
        for name in ("tags", "project", "priority"):
            if (getattr(self, name) is not None) != (name == need):
                raise ValueError(f"{self.action} {'needs' if name == need else 'takes no'} {name}")
        return self


class ActionResult(Answer):
    """What became of one run: its state afterwards, or why nothing was done."""

    run: str
    is_done: bool
    state: RunState | None = None
    message: str = ""
    hint: str | None = None


class ActionResults(Answer):
    """One result for each run, in the order asked; what one run refuses, the others do all the same.

    Of a filter, `more` counts the runs behind these that fit as well, up to 10,000, and `cursor` asks for them.
    """

    results: list[ActionResult]
    more: int = 0
    more_is_least: bool = False
    cursor: str | None = None


class QueuePlace(Shape):
    """A queued run's new place: directly before or directly after another queued run, whose priority it takes."""

    before: Reference | None = None
    after: Reference | None = None

    @model_validator(mode="after")
    def _check_other(self) -> QueuePlace:
        if (self.before is None) == (self.after is None):
            raise ValueError("a place is before one run or after one run")
        return self


class Queue(Answer):
    """Queued runs in the order in which workers take them; `total` counts those behind the last one, too."""

    runs: list[Run]
    total: int
