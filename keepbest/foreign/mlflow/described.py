"""What MLflow says of a run, in each of its stores, as a foreign run says it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from keepbest.foreign.foreign_run import ForeignRun, Part
from keepbest.status import RunState

PARENT, NAME, NOTES = "mlflow.parentRunId", "mlflow.runName", "mlflow.note.content"
_STATES = {
    **dict.fromkeys(("FINISHED", "3"), RunState.FINISHED),
    **dict.fromkeys(("FAILED", "4"), RunState.FAILED),
    **dict.fromkeys(("KILLED", "5"), RunState.CANCELLED),
}
_OPEN = "MLflow says that it still runs: it ran while it was imported, or its process died."


@dataclass(frozen=True)
class StoredRun:
    """A run as a store has it: `status` as a name or a number, moments in milliseconds."""

    id: str
    name: str
    experiment: str
    status: str
    started: Any
    ended: Any
    tags: Mapping[str, str]
    parameters: Mapping[str, str]
    datasets: Sequence[Mapping[str, Any]] = ()


@dataclass
class Omissions:
    """What was left out of one run, or of a store."""

    texts: list[str] = field(default_factory=list)

    def say(self, text: str) -> None:
        if text not in self.texts:
            self.texts.append(text)


def make_run(stored: StoredRun, place: str, parts: Callable[[Omissions], Iterator[Part]]) -> ForeignRun:
    """Return a foreign run; `parts` reads what the run reported and says what it leaves out."""
    state, left_out = _STATES.get(stored.status), Omissions()
    own = {key: value for key, value in stored.tags.items() if key not in (PARENT, NAME, NOTES)}
    return ForeignRun(
        kind="mlflow",
        source=stored.id,
        name=stored.name or stored.tags.get(NAME) or stored.id[:12],
        parts=lambda: parts(left_out),
        project=stored.experiment,
        state=state or RunState.CANCELLED,
        message="" if state is not None else _OPEN,
        started_at=to_moment(stored.started),
        ended_at=to_moment(stored.ended),
        parameters=stored.parameters,
        tags=own,
        notes=stored.tags.get(NOTES, ""),
        parent=stored.tags.get(PARENT) or None,
        datasets=stored.datasets,
        place=place,
        left_out=lambda: tuple(left_out.texts),
    )


def to_moment(milliseconds: Any) -> datetime | None:
    """Return a moment given in milliseconds since 1970; None for none and for one that no calendar has."""
    try:
        number = int(milliseconds)
        return datetime.fromtimestamp(number / 1000, UTC) if number > 0 else None
    except (TypeError, ValueError, OverflowError, OSError):
        return None


def describe_dataset(given: Mapping[str, Any], tags: Mapping[str, str]) -> dict[str, Any]:
    """Return a data set as the tracker keeps it; `given` has MLflow's own fields."""
    kept = ("name", "digest", "source_type", "source", "schema", "profile")
    about = {name: str(given[name]) for name in kept if given.get(name) is not None}
    document = {"dataset": about, "tags": [{"key": key, "value": value} for key, value in tags.items()]}
    context = tags.get("mlflow.data.context", "")
    return {"name": about.get("name", ""), "digest": about.get("digest", ""), "context": context, "document": document}


def parents_first(runs: Iterable[StoredRun]) -> list[StoredRun]:
    """Return the runs in the order in which they began, each behind its parent."""
    waiting = {run.id: run for run in sorted(runs, key=lambda run: (_number(run.started), run.id))}
    ordered: dict[str, StoredRun] = {}
    for run in waiting.values():
        line = [run]
        while (above := waiting.get(line[-1].tags.get(PARENT, ""))) is not None and above not in line:
            line.append(above)
        for each in reversed(line):
            ordered.setdefault(each.id, each)
    return list(ordered.values())


def _number(value: Any) -> int:
    try:
        return int(value)
    except (TypeError, ValueError):
        return 0
