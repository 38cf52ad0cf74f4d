"""Starts, supervises and ends child processes, each in a process group of its own and with its output in a file.

On Linux, the kernel ends the children if this process is killed.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from keepbest.errors import KeepbestError
from keepbest.figures import figure

#: Restarts wait 1, 2, 4 … seconds, and 1 again for a child that ran this long.
HEALTHY_SECONDS = 30.0
MAX_RESTARTS = 5
_PR_SET_PDEATHSIG = 1
_LOG_BYTES = 10 * 2**20

Tell = Callable[[str], None]


def python(module: str, *arguments: str) -> list[str]:
    """Return the command that runs a module of keepbest; `-P` keeps the present folder out of its imports."""
    return [sys.executable, "-P", "-m", module, *arguments]


@dataclass
class ManagedProcess:
    """A process that can be started again. It has `grace_seconds` to end after SIGTERM."""

    name: str
    command: Sequence[str]
    environ: Mapping[str, str]
    log: Path
    grace_seconds: float = 10.0
    process: subprocess.Popen[bytes] | None = None
    started_at: float = 0.0
    restarts: int = 0
    due_at: float | None = None

    def start(self, now: float) -> None:
        self.log.parent.mkdir(parents=True, exist_ok=True)
        if self.log.exists() and self.log.stat().st_size > _LOG_BYTES:
            self.log.replace(self.log.with_suffix(".old.log"))
        with self.log.open("ab") as sink:
            self.process = subprocess.Popen(
                self.command,
                env=dict(self.environ),
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.STDOUT,
                process_group=0,  # Ctrl-C reaches this process only, which then ends the children in order
                preexec_fn=_die_with_parent if sys.platform == "linux" else None,
            )
        self.started_at, self.due_at = now, None

    def is_running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def signal(self, number: signal.Signals) -> None:
        if self.process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, number)

    def last_words(self, lines: int = 5) -> str:
        """Return the end of the process's output."""
        return last_words(self.log, lines)


@dataclass
class Children:
    """Child processes that start in order, start again when they die, and end in reverse order."""

    tell: Tell
    clock: Callable[[], float] = time.monotonic
    members: list[ManagedProcess] = field(default_factory=list)

    def start(self, child: ManagedProcess) -> None:
        self.members.append(child)
        child.start(self.clock())

    def supervise(self) -> None:
        """Start dead children again; call this a few times a second. Raises KeepbestError if a child keeps dying."""
        now = self.clock()
        for child in self.members:
            if child.due_at is not None and now >= child.due_at:
                child.start(now)
            elif child.due_at is None and not child.is_running():
                self._plan_restart(child, now)

    def _plan_restart(self, child: ManagedProcess, now: float) -> None:
        if now - child.started_at > HEALTHY_SECONDS:
            child.restarts = 0
        if child.restarts >= MAX_RESTARTS:
            raise KeepbestError(
                f"The {child.name} keeps ending; its last words:\n{child.last_words()}", hint=f"Read {child.log}."
            )
        wait = 2.0**child.restarts
        child.restarts += 1
        child.due_at = now + wait
        again = f"starting it again in {figure(wait)} s (see {child.log})"
        self.tell(f"The {child.name} ended with {ending(child)}; {again}.")
        if now - child.started_at < HEALTHY_SECONDS and (words := child.last_words()):
            self.tell(f"Its last words:\n{words}")

    def stop(self, *, hurry: Callable[[], bool] = lambda: False) -> None:
        """End all children, the newest first: SIGTERM, its grace, then SIGKILL; at once if `hurry` returns true."""
        for child in reversed(self.members):
            child.due_at = None
            child.signal(signal.SIGTERM)
            deadline = self.clock() + child.grace_seconds
            while child.is_running() and self.clock() < deadline and not hurry():
                time.sleep(0.05)
            if child.is_running():
                self.tell(f"The {child.name} did not end by itself: killed.")
                child.signal(signal.SIGKILL)
            if child.process is not None:
                child.process.wait()


def last_words(log: Path, lines: int) -> str:
    """Return the end of a log; an empty text if there is no log."""
    with suppress(OSError):
        return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])
    return ""


def ending(child: ManagedProcess) -> str:
    """Return how a process ended: `status 1`, or the signal's name."""
    code = child.process.returncode if child.process is not None else None
    if code is not None and code < 0:
        with suppress(ValueError):
            return signal.Signals(-code).name
    return f"status {code}"


def _die_with_parent() -> None:
    """Have the kernel send this process SIGTERM when its parent is gone. The child calls it before exec."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
