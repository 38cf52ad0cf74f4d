"""A worker that is just starting: `keepbest up` holds a lock until the tracker has heard of it; `doctor` sees that."""

from __future__ import annotations

import fcntl
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import IO

LOCK = "worker-starting"
#: How often it is said what is waited for.
TELL_SECONDS = 10.0
PAUSE_SECONDS = 0.2


class Starting:
    """Held by whoever started the worker; it ends with that process, however that ends."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / LOCK
        self._lock: IO[str] | None = None

    def begin(self) -> None:
        self._lock = self._path.open("a")
        fcntl.flock(self._lock, fcntl.LOCK_EX)

    def end(self) -> None:
        """The tracker has heard of the worker, or nobody waits for it any more."""
        if self._lock is not None:
            self._path.unlink(missing_ok=True)
            self._lock.close()
            self._lock = None


def is_starting(folder: Path) -> bool:
    """Whether a service of this folder has started a worker that has not said a word yet."""
    with suppress(OSError), (folder / LOCK).open() as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


class WaitingNotice:
    """Says now and then, to who waits, for what that is."""

    def __init__(self, words: str, tell: Callable[[str], None], clock: Callable[[], float] = time.monotonic) -> None:
        self._words, self._tell, self._clock = words, tell, clock
        self._told_at = clock()

    def pause(self) -> None:
        """Wait for a moment, before one validations again."""
        self.remind()
        time.sleep(PAUSE_SECONDS)

    def remind(self) -> None:
        """Say it, if it has not been said for a while."""
        if self._clock() - self._told_at > TELL_SECONDS:
            self._told_at = self._clock()
            self._tell(self._words)
