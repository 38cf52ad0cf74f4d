"""Decides whether the wall clock can be trusted to delete by age, since such a deletion is final.

A clock that is ahead makes all sessions, events and the trash look old. So jobs that delete by age wait after a jump
of the clock: either it differs from the monotonic clock, or the previous scheduler's last heartbeat is far from now.
After an hour without a jump the clock is trusted: by then a machine that corrects its clock has done so.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

#: A larger difference is a jump: no clock is slewed by this much between two calls.
JUMP = timedelta(minutes=1)
#: A scheduler that was away for longer than this watches its clock first.
AWAY = timedelta(days=1)
SETTLE_SECONDS = 3600.0


class Trust:
    """Compares the wall clock with the monotonic one at each call of `allows_deleting`.

    `last` is the last heartbeat of the scheduler before this one.
    """

    def __init__(self, last: datetime | None, now: datetime, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._seen, self._at = now, monotonic()
        is_near = last is None or last - JUMP <= now <= last + AWAY
        self._doubted_at = float("-inf") if is_near else self._at

    def allows_deleting(self, now: datetime) -> bool:
        """Whether jobs may delete what is old at `now`."""
        at = self._monotonic()
        expected = self._seen + timedelta(seconds=at - self._at)
        if abs(now - expected) > JUMP:
            self._doubted_at = at
        self._seen, self._at = now, at
        return at - self._doubted_at >= SETTLE_SECONDS
