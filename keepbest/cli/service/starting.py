"""Shows other processes that a worker is starting: `keepbest up` holds a lock until the worker registers."""

from __future__ import annotations

import fcntl
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import IO

LOCK = "worker-starting"
#: The shortest time between two notices.
TELL_SECONDS = 10.0
PAUSE_SECONDS = 0.2


class Starting:
    """The lock of the process that started the worker. It ends with that process, even if somebody kills it."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / LOCK
        self._lock: IO[str] | None = None

    def begin(self) -> None:
        self._lock = self._path.open("a")
        fcntl.flock(self._lock, fcntl.LOCK_EX)

    def end(self) -> None:
        """Release the lock, because the worker has registered or nobody waits for it any more."""
        if self._lock is not None:
            self._path.unlink(missing_ok=True)
            self._lock.close()
            self._lock = None


def is_starting(folder: Path) -> bool:
    """Whether a service of this folder has started a worker that has not registered yet."""
    with suppress(OSError), (folder / LOCK).open() as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


class WaitingNotice:
    """Tells a waiting person now and then what the command waits for."""

    def __init__(self, words: str, tell: Callable[[str], None], clock: Callable[[], float] = time.monotonic) -> None:
        self._words, self._tell, self._clock = words, tell, clock
        self._last_notice_at = clock()

    def pause(self) -> None:
        """Wait a moment before the next check, and give the notice if it is due."""
        self.remind()
        time.sleep(PAUSE_SECONDS)

    def remind(self) -> None:
        """Give the notice, if the last one was long ago."""
        if self._clock() - self._last_notice_at > TELL_SECONDS:
            self._last_notice_at = self._clock()
            self._tell(self._words)
