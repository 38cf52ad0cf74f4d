"""The pipe between agent and trainer: it carries the job and the token, and its end ends the trainer."""

from __future__ import annotations

import ctypes
import json
import os
import select
import signal
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

_PR_SET_PDEATHSIG = 1
#: Where memory runs out the kernel should take the trainer, not the agent or the tracker.
_OOM_SCORE = "500"


class HandedBack(BaseException):
    """The worker leaves while nothing is trained: before training has begun, or while the model to keep is selected."""


class Lifeline:
    """Standard input: one line, and then nothing until the agent is gone. Code that reads its input gets none of it."""

    def __init__(self) -> None:
        self._descriptor = os.dup(0)
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        os.close(nothing)

    def read(self) -> str:
        """Wait for the line and return it. From then on we end when the pipe does, and our whole group with us."""
        line = bytearray()
        while byte := os.read(self._descriptor, 1):
            if byte == b"\n":
                threading.Thread(target=self._watch, name="lifeline", daemon=True).start()
                return line.decode()
            line += byte
        _end()

    def hang_up(self) -> str | None:
        """Return the line where it was said; where it was not, nobody can say it any more."""
        if select.select([self._descriptor], [], [], 0)[0]:
            return self.read()
        os.close(self._descriptor)
        return None

    def _watch(self) -> None:
        while os.read(self._descriptor, 4096):
            pass
        _end()


def tie(*, by_kernel: bool = True) -> Lifeline:
    """Tie us to the agent; return what it has to tell us.

    The pipe's end is the portable sign that the agent is gone. On Linux the kernel also ends us by itself, at once
    (`by_kernel`): us alone, so not where others of the group are what matters.
    """
    if sys.platform == "linux":
        if by_kernel:
            ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        with suppress(OSError):
            Path("/proc/self/oom_score_adj").write_text(_OOM_SCORE)
    return Lifeline()


def pack(folder: Path, secret: str) -> str:
    """Return the line that gives a trainer that waits its run: with quotes round both, so that neither ends early."""
    return json.dumps([str(folder), secret])


def unpack(line: str) -> tuple[Path, str]:
    """Return the folder and the secret of such a line."""
    folder, secret = json.loads(line)
    return Path(folder), secret


def _end() -> NoReturn:
    if os.getpgid(0) == os.getpid():
        os.killpg(0, signal.SIGKILL)  # with all that the user's code started
    os._exit(137)
