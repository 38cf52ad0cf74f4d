"""A child process that cannot outlive its parent, started by exec in a process group of its own.

Never by fork: TensorFlow's threads do not survive it. The child's standard input is a pipe that the parent never
closes while it lives; the child watches it, so that even a parent killed by SIGKILL takes the child along.
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, cast

#: Exit codes of a trainer, beside those of signals.
FINISHED, FAILED, HANDED_BACK = 0, 1, 75

_SIGNAL_HINTS = {
    signal.SIGKILL: "Usually the system's memory ran out: try a smaller batch_size, or a machine with more memory.",
    signal.SIGSEGV: "A native library crashed; the output shows where Python was.",
    signal.SIGABRT: "A native library gave up; the output says why.",
    signal.SIGBUS: "Memory that was mapped from a file went away: is the disk full?",
    signal.SIGILL: "A library was built for another processor.",
}


class Child:
    """A running program. Its output goes to a file, `secret` is the first line of its standard input."""

    def __init__(
        self, command: Sequence[str], *, folder: Path, output: Path, environ: Mapping[str, str], secret: str = ""
    ) -> None:
        with output.open("ab") as sink:
            self._process = subprocess.Popen(
                command,
                cwd=folder,
                env=dict(environ),
                stdin=subprocess.PIPE,
                stdout=sink,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._stdin = cast(IO[bytes], self._process.stdin)
        self._tell(secret)

    @property
    def pid(self) -> int:
        return self._process.pid

    def poll(self) -> int | None:
        """Return the exit code, negative for a signal, or None while it runs."""
        return self._process.poll()

    def interrupt(self) -> None:
        """Ask it to come to an end (SIGTERM)."""
        if self.poll() is None:
            with suppress(ProcessLookupError):
                self._process.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """Kill it with everything it started, and wait for its end."""
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self._process.wait()
        self.close()

    def wait(self, seconds: float) -> int | None:
        """Return the exit code, or None when it still runs after so long."""
        with suppress(subprocess.TimeoutExpired):
            return self._process.wait(seconds)
        return None

    def close(self) -> None:
        """Let go of the pipe; where the program still ran it would end now."""
        with suppress(BrokenPipeError):
            self._stdin.close()

    def _tell(self, secret: str) -> None:
        with suppress(BrokenPipeError):  # it ended already; poll() tells
            self._stdin.write(f"{secret}\n".encode())
            self._stdin.flush()


def end_orphans(folder: Path) -> int:
    """Kill what still runs of a program that was started with `mark(folder)`; return how many there were.

    An agent's death takes its trainer along at once, by the kernel (`worker.trainer.lifeline`), but the trainer alone:
    what the user's code had started is found by its inherited environment. Only Linux shows that, and only there the
    kernel is asked.
    """
    ((name, value),) = mark(folder).items()
    wanted = f"{name}={value}".encode()
    found = [int(path.parent.name) for path in Path("/proc").glob("[0-9]*/environ") if wanted in _read_entries(path)]
    for pid in found:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return len(found)


def mark(folder: Path) -> dict[str, str]:
    """Return the variable by which everything that is started in a run's folder is known."""
    return {"KEEPBEST_RUN_FOLDER": str(folder.resolve())}


def _read_entries(environ: Path) -> list[bytes]:
    try:
        return environ.read_bytes().split(b"\0")
    except OSError:  # it ended, or is somebody else's
        return []


def explain_exit(code: int) -> tuple[str, str | None]:
    """Return what an exit without a word of its own means, and what to do about it."""
    if code >= 0:
        return f"The training process ended by itself with exit code {code}, without saying why.", (
            "Does the code, or a library, call os._exit()?"
        )
    try:
        number = signal.Signals(-code)
    except ValueError:
        return f"The training process was ended by signal {-code}.", None
    return f"The training process was ended by {number.name}.", _SIGNAL_HINTS.get(number)
