"""When a clock is not believed: it jumped, or nobody has looked for long."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.support.store import NOW
from tracker.clocks import SETTLE_SECONDS, Trust


@pytest.mark.parametrize(
    ("away", "is_believed"),
    [
        (None, True),  # the first scheduler of this folder
        (timedelta(0), True),
        (timedelta(hours=20), True),
        (timedelta(days=-2), False),  # the last one's clock was ahead of ours
        (timedelta(days=20), False),  # ours may be
    ],
)
def test_the_last_heartbeat_is_looked_at(away: timedelta | None, is_believed: bool) -> None:
    seconds = [0.0]
    trust = Trust(NOW - away if away is not None else None, NOW, lambda: seconds[0])
    assert trust.allows_deleting(NOW) is is_believed
    seconds[0] += SETTLE_SECONDS
    assert trust.allows_deleting(NOW + timedelta(seconds=SETTLE_SECONDS))


def test_a_clock_that_was_ahead_once_deletes_nothing() -> None:
    seconds = [0.0]
    trust = Trust(NOW, NOW, lambda: seconds[0])

    def ask(at: float, ahead: timedelta) -> bool:
        seconds[0] = at
        return trust.allows_deleting(NOW + timedelta(seconds=at) + ahead)

    assert ask(10, timedelta(0))
    assert not ask(20, timedelta(days=30))
    assert not ask(30, timedelta(days=30))
    assert not ask(40, timedelta(0))  # set right again
    assert not ask(40 + SETTLE_SECONDS - 1, timedelta(0))
    assert ask(40 + SETTLE_SECONDS, timedelta(seconds=50))  # it is slewed, not set
