"""The pipe between agent and trainer: it carries the job and the token, and when it closes, the trainer ends."""

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
#: When memory runs out, the kernel should end the trainer, and not the agent or the tracker.
_OOM_SCORE = "500"


class HandedBack(BaseException):
    """The worker leaves while no step is trained: before training begins, or during the selection of the model."""


class Lifeline:
    """Standard input: one line, and then nothing until the agent is gone. The user's code gets an empty input."""

    def __init__(self) -> None:
        self._descriptor = os.dup(0)
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        os.close(nothing)

    def read(self) -> str:
        """Wait for the line and return it. From then on, this process and its group end when the pipe closes."""
        line = bytearray()
        while byte := os.read(self._descriptor, 1):
            if byte == b"\n":
                threading.Thread(target=self._watch, name="lifeline", daemon=True).start()
                return line.decode()
            line += byte
        _end()

    def hang_up(self) -> str | None:
        """Return the line if it has come; otherwise close the pipe, so that it cannot come any more."""
        if select.select([self._descriptor], [], [], 0)[0]:
            return self.read()
        os.close(self._descriptor)
        return None

    def _watch(self) -> None:
        while os.read(self._descriptor, 4096):
            pass
        _end()


def tie(*, by_kernel: bool = True) -> Lifeline:
    """Tie this process to the agent; return the pipe.

    A closed pipe is the portable sign that the agent is gone. With `by_kernel` the kernel of Linux also ends this
    process at once, but no other process of the group: do not use it if the group must end as a whole.
    """
    if sys.platform == "linux":
        if by_kernel:
            ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        with suppress(OSError):
            Path("/proc/self/oom_score_adj").write_text(_OOM_SCORE)
    return Lifeline()


def pack(folder: Path, secret: str) -> str:
    """Return the line that gives a waiting trainer its run, as JSON, since a folder's name may hold a newline."""
    return json.dumps([str(folder), secret])


def unpack(line: str) -> tuple[Path, str]:
    """Return the folder and the secret that `pack` got."""
    folder, secret = json.loads(line)
    return Path(folder), secret


def _end() -> NoReturn:
    if os.getpgid(0) == os.getpid():
        os.killpg(0, signal.SIGKILL)  # also ends processes that the user's code has started
    os._exit(137)
