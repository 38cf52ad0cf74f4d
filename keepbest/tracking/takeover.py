"""Waits for the lease of a run that another script is about to give back, or held when it died elsewhere.

A cluster stops a job on one node and starts it on another at once. The first script still writes its best and gives the
run back; if it was killed, its lease ends by itself. A script that goes on training shows signs of life.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from datetime import datetime
from typing import Protocol

from keepbest.contract.base import new_id
from keepbest.contract.runs import Run
from keepbest.contract.workers import Assignment, Claim
from keepbest.errors import Conflict, LeaseLost

#: Longer than a lease of a script, which lasts two minutes.
LONGEST_SECONDS = 300.0
#: The time that clusters give a script to end. A script that still reports later goes on training.
LEAVING_SECONDS = 45.0
EVERY_SECONDS = 1.0

_log = logging.getLogger("keepbest")


class TakeoverClient(Protocol):
    """The part of `keepbest.client.client.Client` that takes a run over."""

    def claim(self, claim: Claim) -> Assignment | None: ...

    def run(self, run: str) -> Run: ...


class TakeOver:
    """Waits, at most LONGEST_SECONDS, for another script to give a run back."""

    def __init__(
        self,
        run: str,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        self._run = run
        self._request = new_id()
        self._clock, self._sleep = clock, sleep
        self._began: float | None = None
        self._heard_at: datetime | None = None

    def claim(self, client: TakeoverClient) -> Assignment | None:
        """Return the assignment as soon as no other process holds the run.

        Raises Conflict if another process goes on training the run, or the wait takes too long.
        """
        while True:
            try:
                return client.claim(Claim(run=self._run, request=self._request))
            except LeaseLost:
                raise
            except Conflict as error:
                self.wait(error, client.run(self._run))

    def wait(self, error: Conflict, known: Run | None = None) -> None:
        """Wait for a moment, or raise `error` if the other process goes on training or the time is over."""
        now = self._clock()
        if self._began is None:
            self._began = now
            _log.warning("keepbest: %s Waiting for that process, at most %d s.", error.message, LONGEST_SECONDS)
        waited = now - self._began
        if waited >= LONGEST_SECONDS or (known is not None and self._goes_on(known, waited)):
            raise error
        self._sleep(EVERY_SECONDS)

    def _goes_on(self, known: Run, waited: float) -> bool:
        """Whether the holder of the run still reports after the time that it had to end."""
        if waited < LEAVING_SECONDS or self._heard_at is None:
            self._heard_at = known.heard_at
            return False
        return known.state.is_held and known.heard_at != self._heard_at
