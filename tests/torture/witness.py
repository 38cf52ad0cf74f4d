"""Somebody who asks the tracker about a run all the while, and remembers every answer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise

from keepbest.client.client import Client
from keepbest.contract.checkpoints import Checkpoint
from keepbest.contract.events import Event
from keepbest.contract.runs import Run
from keepbest.contract.validations import RecordedValidation

PAGE = 1000


@dataclass
class Witness:
    """What was answered must still be true at the end: nothing that was there may be gone, or there twice."""

    run: str
    now: Run | None = None
    bests: list[float] = field(default_factory=list)
    validations: dict[int, RecordedValidation] = field(default_factory=dict)
    checkpoints: dict[str, Checkpoint] = field(default_factory=dict)
    points: dict[str, int] = field(default_factory=dict)
    #: What was already wrong when it was seen.
    seen: list[str] = field(default_factory=list)

    def ask(self, client: Client) -> Run:
        """Look at everything that may be lost."""
        self.now = client.run(self.run)
        self.bests += [self.now.best_value] if self.now.best_value is not None else []
        for validation in client.validations(self.run, after=max(self.validations, default=0), limit=PAGE).validations:
            self.validations[validation.seq] = validation
        for one in client.checkpoints(self.run).checkpoints:
            self.checkpoints[one.id] = one
        for metric in client.metrics(self.run).metrics:
            before = self.points.get(metric.key, 0)
            if metric.count < before:
                self.seen.append(f"{metric.key} had {before} points and has {metric.count}")
            self.points[metric.key] = metric.count
        return self.now

    def complaints(self, client: Client) -> Iterator[str]:
        """Yield what was answered once and is not true any more."""
        yield from self.seen
        yield from _worsened(self.bests)
        yield from _worsened([value for event in _events(client, self.run) if (value := _best_in(event)) is not None])
        validations = {
            validation.seq: validation for validation in client.validations(self.run, limit=5 * PAGE).validations
        }
        for seq, validation in self.validations.items():
            if seq not in validations or _lasting(validations[seq]) != _lasting(validation):
                yield f"the validation of step {validation.step} in segment {validation.segment} was there and is not"
        checkpoints = {one.id: one for one in client.checkpoints(self.run).checkpoints}
        for id, one in self.checkpoints.items():
            if id not in checkpoints or checkpoints[id].digest != one.digest:
                yield f"checkpoint {id} of step {one.step} was there and is not"
        places = [(validation.segment, validation.step) for validation in validations.values()]
        yield from (f"two validations at {place}" for place in set(places) if places.count(place) > 1)


def _worsened(bests: list[float]) -> Iterator[str]:
    """The best loss may only fall."""
    yield from (f"the best rose from {before} to {after}" for before, after in pairwise(bests) if after > before)


def _lasting(validation: RecordedValidation) -> RecordedValidation:
    """Return a validation without what a later jump changes."""
    return validation.model_copy(update={"ghost": False})


def _events(client: Client, run: str) -> Iterator[Event]:
    after = 0
    while (page := client.events(after=after, run=run, limit=PAGE)).events:
        yield from page.events
        after = page.next


def _best_in(event: Event) -> float | None:
    value = event.data.get("best_value") if event.kind == "run.best" else None
    return float(value) if isinstance(value, int | float) else None
