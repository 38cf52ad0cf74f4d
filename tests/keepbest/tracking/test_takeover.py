"""Waiting for another script to give its run back: until it does, as long as its lease lasts, or it goes on."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from keepbest.contract.runs import Run
from keepbest.contract.workers import Assignment, Claim
from keepbest.errors import Conflict, LeaseLost
from keepbest.status import RunState
from keepbest.tracking.takeover import LEAVING_SECONDS, LONGEST_SECONDS, TakeOver
from tests.support.tiny_tracker import assignment

START = datetime(2026, 1, 1, tzinfo=UTC)


class Held:
    """A tracker whose run is held until `free_at`, by somebody who was heard last as `heard_at` says."""

    def __init__(self, free_at: float, heard_at: Callable[[float], float] = lambda now: 0) -> None:
        self.now, self._free_at, self._heard_at = 0.0, free_at, heard_at
        self._assignment = assignment()

    def claim(self, claim: Claim) -> Assignment:
        if self.now < self._free_at:
            raise Conflict("another script holds it")
        return self._assignment

    def run(self, run: str) -> Run:
        heard_at = START + timedelta(seconds=self._heard_at(self.now))
        return self._assignment.run.model_copy(update={"state": RunState.RUNNING, "heard_at": heard_at})

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def take_over(self) -> Any:
        return TakeOver("abcdabcdabcd", clock=lambda: self.now, sleep=self.sleep).claim(self)


@pytest.mark.parametrize("free_at", [0, 1, 20, 150, LONGEST_SECONDS - 5])
def test_a_run_is_taken_up_when_it_is_free(free_at: float, caplog: pytest.LogCaptureFixture) -> None:
    held = Held(free_at)
    assert held.take_over() is held._assignment
    assert free_at <= held.now <= free_at + 1
    assert len(caplog.records) == (free_at > 0)


def test_a_script_that_ends_may_speak_until_it_has(caplog: pytest.LogCaptureFixture) -> None:
    held = Held(60, heard_at=lambda now: min(now, LEAVING_SECONDS - 1))
    assert held.take_over() is held._assignment


def test_a_script_that_goes_on_is_soon_left_alone() -> None:
    held = Held(10_000, heard_at=lambda now: now // 10 * 10)
    with pytest.raises(Conflict, match="another script holds it"):
        held.take_over()
    assert LEAVING_SECONDS <= held.now <= LEAVING_SECONDS + 11


def test_the_wait_has_an_end() -> None:
    held = Held(10_000)
    with pytest.raises(Conflict):
        held.take_over()
    assert LONGEST_SECONDS <= held.now <= LONGEST_SECONDS + 1


def test_what_else_goes_wrong_is_not_waited_for() -> None:
    held = Held(0)
    held.claim = lambda claim: (_ for _ in ()).throw(LeaseLost())  # type: ignore[method-assign]
    with pytest.raises(LeaseLost):
        held.take_over()
