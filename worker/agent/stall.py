"""Detects a hung trainer: reads its signs of life, reports its silence and what it was doing."""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from keepbest.contract.runs import RunError
from keepbest.contract.workers import Release
from keepbest.status import StopReason
from keepbest.tracking.process import heartbeat
from worker.run_folder import RunFolder

HINT = (
    "The log shows where it stood. Where it may be silent for so long: run.beat() says that it goes on, "
    "KEEPBEST_STALL_SECONDS on the worker allows more, `keepbest submit --no-stall` ends none."
)
_TRACED = re.compile(rb"^TracerPid:\s*[1-9]", re.MULTILINE)


class Vigil:
    """Watches one trainer. A command is watched once its script has shown a sign of life: not every program does."""

    def __init__(
        self, folder: RunFolder, seconds: float, *, is_command: bool, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._folder = folder
        self._is_command = is_command
        self._watch = heartbeat.Watch(seconds, clock)

    def find_silence(self, pid: int) -> float | None:
        """Return for how many seconds there was no sign of life, where that is too long."""
        sign = heartbeat.read(self._folder.path)
        if sign is None and self._is_command:
            sign = heartbeat.Sign(0, heartbeat.Phase.UNWATCHED)
        if sign is not None:
            self._watch.see(sign)
        silence = self._watch.silence
        if silence is not None and _is_traced(pid):
            self._watch.see(
                heartbeat.Sign(0, heartbeat.Phase.UNWATCHED)
            )  # somebody looks into it: the time begins anew
            return None
        return silence

    def ask_where(self, pid: int) -> None:
        """Have a trainer print where each of its threads stands, if it still can."""
        if not self._is_command:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGUSR1)


def describe_stall(silence: float, last_words: str) -> Release:
    """Return the release of a trainer that was ended because it stood still."""
    message = f"Training gave no sign of life for {silence:.0f} s and was ended."
    error = RunError(code=StopReason.STALLED.value, message=message, hint=HINT, traceback=last_words or None)
    return Release(outcome="crashed", stop_reason=StopReason.STALLED, stop_message=message, error=error)


def _is_traced(pid: int) -> bool:
    """Whether a debugger of another process holds it; only Linux shows that."""
    with suppress(OSError):
        return bool(_TRACED.search(Path(f"/proc/{pid}/status").read_bytes()))
    return False
