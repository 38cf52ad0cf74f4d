"""Alerts of a script: a line of the run's log, and a warning where the script runs."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from datetime import timedelta
from enum import StrEnum
from typing import Any

from keepbest.tracking.recorder import Recorder

#: Seconds in which an alert of the same title is said once.
WAIT_SECONDS = 60.0
MAX_TITLE, MAX_TEXT, MAX_TITLES = 64, 2000, 1000
_log = logging.getLogger("keepbest")


class AlertLevel(StrEnum):
    """How much an alert matters."""

    INFO = "INFO"
    WARN = "WARN"
    ERROR = "ERROR"


class Alerts:
    """Says the alerts of one run, each title once in a while."""

    def __init__(self, recorder: Recorder, clock: Callable[[], float] = time.monotonic) -> None:
        self._recorder, self._clock = recorder, clock
        self._next: dict[str, float] = {}

    def alert(self, title: str, text: str = "", level: Any = None, wait_duration: Any = None) -> None:
        """Write a line into the run's log, and warn; the same title again is left out for `wait_duration` seconds."""
        title = str(title)[:MAX_TITLE]
        if self._clock() < self._next.get(title, 0) or len(self._next) >= MAX_TITLES:
            return
        self._next[title] = self._clock() + _seconds_of(wait_duration)
        word = str(level or AlertLevel.INFO).upper()[:10]
        words = f"alert {word}: {title}: {str(text)[:MAX_TEXT]}"
        self._recorder.note(words)
        _log.warning("keepbest: %s", words)


def _seconds_of(wait: Any) -> float:
    if isinstance(wait, timedelta):
        return wait.total_seconds()
    return float(wait) if isinstance(wait, int | float) and wait >= 0 else WAIT_SECONDS
