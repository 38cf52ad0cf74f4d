"""Calls a function again and again in a thread of its own, no more often than its cost allows."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from threading import Event, Thread

#: The part of one core that sampling may take.
SHARE = 0.002
FIRST_SECONDS, LONGEST_SECONDS = 2.0, 15.0
#: The pause grows by so much from sample to sample: a short run gets a curve, a long one few points.
GROWTH = 1.1
_log = logging.getLogger("keepbest")


class Sampler:
    """Calls `sample` until it is closed. Errors of `sample` end the sampling with one warning, never the training."""

    def __init__(self, sample: Callable[[], None], *, clock: Callable[[], float] = time.thread_time) -> None:
        self._sample = sample
        self._clock = clock
        self._closing = Event()
        self._thread = Thread(target=self._work, name="keepbest-system", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        """End the sampling; a sample under way may still finish."""
        self._closing.set()

    def _work(self) -> None:
        pause = FIRST_SECONDS
        while not self._closing.wait(pause):
            began = self._clock()
            try:
                self._sample()
            except Exception:
                _log.warning("keepbest: the system curves end here.", exc_info=True)
                return
            pause = choose_pause(pause, self._clock() - began)


def choose_pause(before: float, cost: float) -> float:
    """Return the seconds until the next sample, of the pause before and the CPU seconds that a sample takes.

    >>> round(choose_pause(2.0, 0.001), 3)
    2.2
    >>> choose_pause(15.0, 0.001), choose_pause(15.0, 0.06)
    (15.0, 30.0)
    """
    return max(min(LONGEST_SECONDS, before * GROWTH), cost / SHARE)
