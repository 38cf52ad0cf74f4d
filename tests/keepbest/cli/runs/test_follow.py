"""Following a run through what happens to a tracker: nothing is shown twice, nothing is lost."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest

from keepbest.cli.runs.follow import RunFollower
from keepbest.contract.events import EventPage
from keepbest.contract.policies import StopperDecision
from keepbest.contract.runs import Run
from keepbest.contract.validations import RecordedValidation, ValidationPage
from keepbest.errors import Unreachable
from keepbest.status import RunState
from tests.support.assignments import make_assignment

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def validation(seq: int) -> RecordedValidation:
    decision = StopperDecision(stop=False, improved=False)
    return RecordedValidation(seq=seq, segment=0, step=seq * 100, value=0.5, decision=decision, at=NOW)


@dataclass
class FakeClient:
    """Answers from lists; None in `states` is a tracker that is away."""

    states: list[RunState | None]
    ledger: list[RecordedValidation] = field(default_factory=list)
    page: int = 2
    failing_pages: int = 0

    def events(self, **query: Any) -> EventPage:
        return EventPage(events=[], next=0)

    def follow(self, **query: Any) -> Iterator[None]:
        while True:
            yield None

    def run(self, run: str) -> Run:
        state = self.states.pop(0)
        if state is None:
            raise Unreachable
        return make_assignment().run.model_copy(update={"state": state})

    def validations(self, run: str, *, after: int, limit: int) -> ValidationPage:
        if self.failing_pages and after:
            self.failing_pages -= 1
            raise Unreachable
        return ValidationPage(validations=[one for one in self.ledger if one.seq > after][: self.page])


def follow(client: FakeClient) -> tuple[list[RunState], list[int]]:
    news = list(RunFollower(client, "r" * 12, with_validations=True).news())  # type: ignore[arg-type]
    return [one.run.state for one in news], [validation.seq for one in news for validation in one.validations]


def test_a_run_that_has_ended_is_read_once() -> None:
    assert follow(FakeClient([RunState.FINISHED], [validation(1)])) == ([RunState.FINISHED], [1])


def test_a_tracker_that_is_away_for_a_while_ends_nothing() -> None:
    states: list[RunState | None] = [RunState.RUNNING, None, None, RunState.RUNNING, RunState.FAILED, RunState.FAILED]
    seen, validations = follow(FakeClient(states, [validation(1), validation(2), validation(3)]))
    assert seen == [RunState.RUNNING, RunState.RUNNING, RunState.FAILED, RunState.FAILED]
    assert validations == [1, 2, 3]


def test_pages_cut_short_are_read_again_from_their_beginning() -> None:
    client = FakeClient([*[RunState.RUNNING] * 4, RunState.FINISHED, RunState.FINISHED], failing_pages=2)
    news = RunFollower(client, "r" * 12, with_validations=True).news()  # type: ignore[arg-type]
    assert next(news).validations == []
    client.ledger = [validation(seq) for seq in range(1, 6)]
    assert [one.seq for one in next(news).validations] == [1, 2, 3, 4, 5]


def test_what_was_written_at_the_very_end_is_shown() -> None:
    client = FakeClient([RunState.RUNNING, RunState.FINISHED, RunState.FINISHED])
    news = RunFollower(client, "r" * 12, with_validations=True).news()  # type: ignore[arg-type]
    next(news)
    next(news)
    client.ledger = [validation(1)]
    assert [one.seq for one in next(news).validations] == [1]
    with pytest.raises(StopIteration):
        next(news)
