"""Whether the wall clock can be believed: what is deleted by age is deleted for good.

A clock that was ahead once would have sessions, events and the trash validation old, all of them. So jobs that delete
by age wait where the clock jumped: it went on otherwise than the monotonic one, or the last scheduler's last heartbeat
is far from now. After an hour without a jump the clock is believed: machines that set their clock have set it by then.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

#: More than clocks are slewed by between two validations.
JUMP = timedelta(minutes=1)
#: A scheduler that was away for longer than this validations at its clock for a while first.
AWAY = timedelta(days=1)
SETTLE_SECONDS = 3600.0


class Trust:
    """Looks at the wall clock at each call of `believes`; `last` is when the scheduler before this one was alive."""

    def __init__(self, last: datetime | None, now: datetime, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._seen, self._at = now, monotonic()
        is_near = last is None or last - JUMP <= now <= last + AWAY
        self._doubted_at = float("-inf") if is_near else self._at

    def believes(self, now: datetime) -> bool:
        """Whether `now` may be used to delete by age."""
        at = self._monotonic()
        expected = self._seen + timedelta(seconds=at - self._at)
        if abs(now - expected) > JUMP:
            self._doubted_at = at
        self._seen, self._at = now, at
        return at - self._doubted_at >= SETTLE_SECONDS
