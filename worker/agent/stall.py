"""Detects a stalled trainer by its signs of life, and lets it print what it was doing."""

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
    "The log shows where it stood. If the training may be silent for so long: call run.beat() in it, raise "
    "KEEPBEST_STALL_SECONDS on the worker, or submit with `keepbest submit --no-stall`."
)
_TRACED = re.compile(rb"^TracerPid:\s*[1-9]", re.MULTILINE)


class Vigil:
    """Watches one trainer, or a command from the first sign of life on: not every program gives any."""

    def __init__(
        self, folder: RunFolder, seconds: float, *, is_command: bool, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._folder = folder
        self._is_command = is_command
        self._watch = heartbeat.Watch(seconds, clock)

    def find_silence(self, pid: int) -> float | None:
        """Return the seconds without a sign of life if they are too many, else None."""
        sign = heartbeat.read(self._folder.path)
        if sign is None and self._is_command:
            sign = heartbeat.Sign(0, heartbeat.Phase.UNWATCHED)
        if sign is not None:
            self._watch.see(sign)
        silence = self._watch.silence
        if silence is not None and _is_traced(pid):
            # Somebody debugs the process: the time begins anew.
            self._watch.see(heartbeat.Sign(0, heartbeat.Phase.UNWATCHED))
            return None
        return silence

    def ask_where(self, pid: int) -> None:
        """Let a trainer print where each of its threads stands, if it still can."""
        if not self._is_command:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGUSR1)


def describe_stall(silence: float, last_words: str) -> Release:
    """Return the release of a trainer that the worker ended as stalled."""
    message = f"Training gave no sign of life for {silence:.0f} s, and the worker ended it."
    error = RunError(code=StopReason.STALLED.value, message=message, hint=HINT, traceback=last_words or None)
    return Release(outcome="crashed", stop_reason=StopReason.STALLED, stop_message=message, error=error)


def _is_traced(pid: int) -> bool:
    """Whether a debugger holds the process; only Linux shows this."""
    with suppress(OSError):
        return bool(_TRACED.search(Path(f"/proc/{pid}/status").read_bytes()))
    return False
