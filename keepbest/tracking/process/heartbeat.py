"""Signs of life of a training thread, and when their absence means that it hangs.

A process can be alive while its training hangs: in a deadlock, in a read that never returns, after a SIGSTOP. Its lease
would be renewed all the same. So the training thread counts its steps, the batches of its validations and its log calls
(`Life`). The uploader's thread writes the count into a file of the run's folder (`write`), a worker reads the file
(`read`), and a `Watch` judges the silence between two signs.
"""

from __future__ import annotations

import os
import struct
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from enum import IntEnum
from pathlib import Path
from types import FrameType
from typing import NamedTuple

NAME = "alive"
#: The allowed silence until the pace is known: a script reads data, builds and compiles a model, trains first batches.
FIRST_SECONDS = 1800.0
#: The allowed silence later, as a multiple of the usual gap between two signs.
PACES = 20
#: After so many signs the usual gap is known.
_SETTLED = 3
#: The weight of the newest gap in the usual gap.
_WEIGHT = 0.1
_FRAME = struct.Struct("<QQ")
_DEBUGGERS = ("pydevd", "debugpy")
_DEBUGGING = {"pdb", "bdb", "_pydevd_bundle.pydevd_frame"}


class Phase(IntEnum):
    """What the training thread does: steps and validations, something that may take long, or nothing to watch."""

    STEADY = 0
    LONG = 1
    UNWATCHED = 2


class Sign(NamedTuple):
    """The state of a training thread: its signs of life so far, and its phase."""

    beats: int
    part: Phase


class Life:
    """Counts the signs of life of the training thread."""

    def __init__(self) -> None:
        self.count = 0
        self.is_over = False
        self._long = 0

    def beat(self) -> None:
        self.count += 1

    @contextmanager
    def slowly(self) -> Iterator[None]:
        """Mark a block that may take long, such as a wait for a disk or the selection of a model."""
        self._long += 1
        try:
            yield
        finally:
            self._long -= 1
            self.count += 1

    @property
    def sign(self) -> Sign:
        """The present state, read by another thread."""
        if self.is_over or is_debugged():
            return Sign(self.count, Phase.UNWATCHED)
        return Sign(self.count, Phase.LONG if self._long else Phase.STEADY)


class Watch:
    """Judges silence: `see` takes each sign, and `silence` is the time since the last sign once it is too long."""

    def __init__(self, seconds: float, clock: Callable[[], float]) -> None:
        self._seconds = seconds
        self._clock = clock
        self._pace = 0.0
        self._sign = Sign(0, Phase.STEADY)
        self._since = clock()

    def see(self, sign: Sign) -> None:
        """Note the present sign."""
        now = self._clock()
        # The time before the first sign is no gap between steps: the script builds and compiles its model.
        if self._sign.beats and sign.beats != self._sign.beats and sign.part is Phase.STEADY is self._sign.part:
            gap = (now - self._since) / max(1, sign.beats - self._sign.beats)
            self._pace = gap if self._pace == 0.0 else (1 - _WEIGHT) * self._pace + _WEIGHT * gap
        if sign != self._sign or sign.part is Phase.UNWATCHED:
            self._sign, self._since = sign, now

    @property
    def limit_seconds(self) -> float:
        """The longest allowed silence at this moment; infinite while nothing is watched."""
        if self._seconds <= 0 or self._sign.part is Phase.UNWATCHED:
            return float("inf")
        if self._sign.part is Phase.LONG or self._sign.beats < _SETTLED:
            return max(FIRST_SECONDS, self._seconds)
        return max(self._seconds, PACES * self._pace)

    @property
    def silence(self) -> float | None:
        """Seconds since the last sign if they are too many, else None."""
        seconds = self._clock() - self._since
        return seconds if seconds > self.limit_seconds else None


def write(folder: Path, sign: Sign) -> None:
    """Write the sign for the worker. If the disk fails, the worker keeps the sign before."""
    with suppress(OSError):
        file = os.open(folder / NAME, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.pwrite(file, _FRAME.pack(sign.beats, sign.part), 0)
        finally:
            os.close(file)


def read(folder: Path) -> Sign | None:
    """Return the newest sign, or None without a readable sign."""
    try:
        count, part = _FRAME.unpack((folder / NAME).read_bytes())
        return Sign(count, Phase(part))
    except (OSError, struct.error, ValueError):
        return None


def is_debugged() -> bool:
    """Whether a debugger is attached to this process: it may hold a thread as long as its user likes."""
    monitoring = getattr(sys, "monitoring", None)  # Python 3.12
    has_monitor = monitoring is not None and monitoring.get_tool(monitoring.DEBUGGER_ID) is not None
    if has_monitor or not sys.modules.keys().isdisjoint(_DEBUGGERS):
        return True
    return any(_is_held(frame) for frame in sys._current_frames().values())


def _is_held(frame: FrameType | None) -> bool:
    """Whether a debugger traces this thread or shows its prompt in it."""
    while frame is not None:
        if frame.f_globals.get("__name__") in _DEBUGGING:
            return True
        frame = frame.f_back
    return False
