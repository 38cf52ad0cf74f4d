"""The columns of a run that a filter and a sort know by name, each with the kind of its value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from keepbest.status import RunState, StopReason

#: `id`: the first letters are enough. `choice`: one of a few words. `duration`: seconds, written with a unit.
ValueKind = Literal["text", "choice", "id", "number", "duration", "time"]


@dataclass(frozen=True, slots=True)
class RunColumn:
    """One column: what it holds, in words, and the words that a choice has."""

    name: str
    kind: ValueKind
    help: str
    choices: tuple[str, ...] = ()


_STATES = tuple(state.value for state in RunState)
_REASONS = tuple(reason.value for reason in StopReason)

COLUMNS: dict[str, RunColumn] = {
    column.name: column
    for column in (
        RunColumn("name", "text", "the run's name"),
        RunColumn("notes", "text", "its notes"),
        RunColumn("id", "id", "its id; the first letters are enough"),
        RunColumn("number", "number", "its number in the project"),
        RunColumn("project", "text", "the project's name"),
        RunColumn("recipe", "text", "the recipe that it trains"),
        RunColumn("state", "choice", "where it is in its life", _STATES),
        RunColumn("reason", "choice", "why it ended", _REASONS),
        RunColumn("worker", "text", "the worker that trains it, or did"),
        RunColumn("user", "text", "who asked for it"),
        RunColumn("commit", "id", "the commit of the code that it was trained with; the first letters are enough"),
        RunColumn("variant", "text", "the same for runs that differ by their seed alone"),
        RunColumn("sweep", "id", "the sweep that made it"),
        RunColumn("forked_from", "id", "the run that it was forked from"),
        RunColumn("created", "time", "when it was asked for"),
        RunColumn("started", "time", "when its training began"),
        RunColumn("ended", "time", "when it ended"),
        RunColumn("updated", "time", "when it last changed"),
        RunColumn("duration", "duration", "how long it trained"),
        RunColumn("step", "number", "its newest step"),
        RunColumn("best", "number", "the best value of its monitored metric"),
        RunColumn("last", "number", "the last value of its monitored metric"),
        RunColumn("priority", "number", "its place in the queue; higher ones come first"),
    )
}
