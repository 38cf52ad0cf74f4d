"""The trainer's bond with its agent: what it is told at birth, and that it never outlives it."""

from __future__ import annotations

import ctypes
import json
import os
import signal
import sys
import threading
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path

_PR_SET_PDEATHSIG = 1
#: Where memory runs out the kernel should take the trainer, not the agent or the tracker.
_OOM_SCORE = "500"


class HandedBack(BaseException):
    """The worker leaves while nothing is trained: before training has begun, or while the model to keep is selected."""


def tie(*, by_kernel: bool = True) -> Future[str]:
    """End with the agent from now on; return the one line that it writes to our standard input, once it does.

    The pipe's end is the portable sign that the agent is gone, and takes our whole group along. On Linux the kernel
    also ends us by itself (`by_kernel`): us alone, so not where others of the group are what matters.
    """
    lifeline = os.dup(0)
    _close_standard_input()
    line = Future[str]()
    threading.Thread(target=_watch, args=(lifeline, line), name="lifeline", daemon=True).start()
    if sys.platform == "linux":
        if by_kernel:
            ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        with suppress(OSError):
            Path("/proc/self/oom_score_adj").write_text(_OOM_SCORE)
    return line


def pack(folder: Path, secret: str) -> str:
    """Return the line that gives a trainer that waits its run: with quotes round both, so that neither ends early."""
    return json.dumps([str(folder), secret])


def unpack(line: str) -> tuple[Path, str]:
    """Return the folder and the secret of such a line."""
    folder, secret = json.loads(line)
    return Path(folder), secret


def _close_standard_input() -> None:
    """Code that reads its input gets an end of file, not our pipe."""
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)


def _watch(descriptor: int, line: Future[str]) -> None:
    """Hear the one line; nothing comes after it until the agent is gone."""
    read = bytearray()
    while byte := os.read(descriptor, 1):
        if byte == b"\n" and not line.done():
            line.set_result(read.decode())
        read += byte
    if os.getpgid(0) == os.getpid():
        os.killpg(0, signal.SIGKILL)  # with all that the user's code started
    os._exit(137)
