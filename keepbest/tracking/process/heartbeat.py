"""Signs of life of a training thread, and when their absence means that it hangs.

A process that answers is not a training that goes on: a deadlock, a read that never returns or a SIGSTOP leave the
process there, its lease renewed by others. So the training thread counts its steps, the batches of its validations and
what it logs (`Life`); the count is written into a file of the run's folder by the uploader's thread, where a worker
reads it (`write`, `read`); and whoever watches judges the silence between two signs (`Watch`).
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
#: Until the pace is known: data is read, a model built and compiled, the first batches trained.
FIRST_SECONDS = 1800.0
#: Silent for so many times its usual pace.
PACES = 20
#: Signs after which there is a pace.
_SETTLED = 3
#: What the newest gap counts in the usual pace.
_WEIGHT = 0.1
_FRAME = struct.Struct("<QQ")
_DEBUGGERS = ("pydevd", "debugpy")
_DEBUGGING = {"pdb", "bdb", "_pydevd_bundle.pydevd_frame"}


class Phase(IntEnum):
    """What the training thread is at: steps and validations, what may take long, or what nobody judges."""

    STEADY = 0
    LONG = 1
    UNWATCHED = 2


class Sign(NamedTuple):
    """What is known of a training thread: signs so far, and what it is at."""

    beats: int
    part: Phase


class Life:
    """What the training thread says of itself, at the cost of counting up."""

    def __init__(self) -> None:
        self.count = 0
        self.is_over = False
        self._long = 0

    def beat(self) -> None:
        self.count += 1

    @contextmanager
    def slowly(self) -> Iterator[None]:
        """Say that the block may take long: a disk is waited for, a model selected."""
        self._long += 1
        try:
            yield
        finally:
            self._long -= 1
            self.count += 1

    @property
    def sign(self) -> Sign:
        """The present state; asked by a thread that is not the one that trains."""
        if self.is_over or is_debugged():
            return Sign(self.count, Phase.UNWATCHED)
        return Sign(self.count, Phase.LONG if self._long else Phase.STEADY)


class Watch:
    """Judges silence: `see` each sign, and `silence` says for how long there was none, once that is too long."""

    def __init__(self, seconds: float, clock: Callable[[], float]) -> None:
        self._seconds = seconds
        self._clock = clock
        self._pace = 0.0
        self._sign = Sign(0, Phase.STEADY)
        self._since = clock()

    def see(self, sign: Sign) -> None:
        """Take note of what is known now."""
        now = self._clock()
        # What comes before the first sign is no step: the model is built and compiled there.
        if self._sign.beats and sign.beats != self._sign.beats and sign.part is Phase.STEADY is self._sign.part:
            gap = (now - self._since) / max(1, sign.beats - self._sign.beats)
            self._pace = gap if self._pace == 0.0 else (1 - _WEIGHT) * self._pace + _WEIGHT * gap
        if sign != self._sign or sign.part is Phase.UNWATCHED:
            self._sign, self._since = sign, now

    @property
    def limit_seconds(self) -> float:
        """The silence that is too long at this moment; nothing is where nobody is to judge."""
        if self._seconds <= 0 or self._sign.part is Phase.UNWATCHED:
            return float("inf")
        if self._sign.part is Phase.LONG or self._sign.beats < _SETTLED:
            return max(FIRST_SECONDS, self._seconds)
        return max(self._seconds, PACES * self._pace)

    @property
    def silence(self) -> float | None:
        """Seconds without a sign where these are too many, else None."""
        seconds = self._clock() - self._since
        return seconds if seconds > self.limit_seconds else None


def write(folder: Path, sign: Sign) -> None:
    """Leave the sign for the worker; where the disk does not take it the worker knows no better than before."""
    with suppress(OSError):
        file = os.open(folder / NAME, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.pwrite(file, _FRAME.pack(sign.beats, sign.part), 0)
        finally:
            os.close(file)


def read(folder: Path) -> Sign | None:
    """Return the newest sign; None where there never was one."""
    try:
        count, part = _FRAME.unpack((folder / NAME).read_bytes())
        return Sign(count, Phase(part))
    except (OSError, struct.error, ValueError):
        return None


def is_debugged() -> bool:
    """Whether somebody debugs this process, who may hold a thread for as long as he likes."""
    if not sys.modules.keys().isdisjoint(_DEBUGGERS) or _has_monitor():
        return True
    return any(_is_held(frame) for frame in sys._current_frames().values())


def _has_monitor() -> bool:
    monitoring = getattr(sys, "monitoring", None)  # Python 3.12
    return monitoring is not None and monitoring.get_tool(monitoring.DEBUGGER_ID) is not None


def _is_held(frame: FrameType | None) -> bool:
    """Whether a debugger traces this thread, or stands in it at its prompt."""
    while frame is not None:
        if frame.f_globals.get("__name__") in _DEBUGGING:
            return True
        frame = frame.f_back
    return False
