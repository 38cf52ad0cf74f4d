"""A child process that cannot outlive its parent, started by exec in a process group of its own.

It never starts by a plain fork, which TensorFlow's threads do not survive. The child's standard input is a pipe that
the parent keeps open while it lives. The child watches the pipe, so it ends even when SIGKILL ends the parent.
"""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import IO, cast

#: Exit codes of a trainer, beside those of signals.
FINISHED, FAILED, HANDED_BACK = 0, 1, 75
#: The environment variable that marks a child and every process that it starts.
_MARK = "KEEPBEST_MARK"

_SIGNAL_HINTS = {
    signal.SIGKILL: "Usually the system's memory ran out: try a smaller batch_size, or a machine with more memory.",
    signal.SIGSEGV: "A native library crashed; the output shows where Python was.",
    signal.SIGABRT: "A native library gave up; the output says why.",
    signal.SIGBUS: "Memory that was mapped from a file went away: is the disk full?",
    signal.SIGILL: "A library was built for another processor.",
}


class ChildProcess:
    """A running program. Its output goes to a file; `secret` is the first line of its standard input.

    With None for the secret, `tell` writes that line later. `end_orphans` finds the processes by `mark`.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        folder: Path,
        output: Path | IO[bytes],
        environ: Mapping[str, str],
        mark: str,
        secret: str | None = "",
    ) -> None:
        with output.open("ab") if isinstance(output, Path) else nullcontext(output) as sink:
            self._process = subprocess.Popen(
                command,
                cwd=folder,
                env={**environ, _MARK: mark},
                stdin=subprocess.PIPE,
                stdout=sink,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._stdin = cast(IO[bytes], self._process.stdin)
        if secret is not None:
            self.tell(secret)

    @property
    def pid(self) -> int:
        return self._process.pid

    def tell(self, line: str) -> bool:
        """Write the first line of the program's standard input; return False if the program has ended."""
        try:
            self._stdin.write(f"{line}\n".encode())
            self._stdin.flush()
        except BrokenPipeError:
            return False
        return True

    def poll(self) -> int | None:
        """Return the exit code, negative for a signal, or None while the program runs."""
        return self._process.poll()

    def interrupt(self) -> None:
        """Ask the program to end (SIGTERM)."""
        if self.poll() is None:
            with suppress(ProcessLookupError):
                self._process.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """Kill the program with all processes of its group, and wait for its end."""
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self._process.wait()
        self.close()

    def wait(self, seconds: float) -> int | None:
        """Return the exit code, or None if the program still runs after `seconds`."""
        with suppress(subprocess.TimeoutExpired):
            return self._process.wait(seconds)
        return None

    def close(self) -> None:
        """Close the pipe, which ends a program that still runs."""
        with suppress(BrokenPipeError):
            self._stdin.close()


def make_mark() -> str:
    """Return a new mark."""
    return secrets.token_hex(16)


def end_orphans(mark: str) -> int:
    """Kill the processes with this mark that still run; return their number.

    When an agent dies, the kernel ends its trainer at once (`worker.trainer.agent_pipe`), but not the processes that
    the user's code has started. This finds them by their inherited environment, which only Linux shows.
    """
    wanted = f"{_MARK}={mark}".encode()
    pids = [int(path.parent.name) for path in Path("/proc").glob("[0-9]*/environ") if wanted in _read_entries(path)]
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return len(pids)


def _read_entries(environ: Path) -> list[bytes]:
    try:
        return environ.read_bytes().split(b"\0")
    except OSError:  # the process has ended, or belongs to another user
        return []


def explain_exit(code: int) -> tuple[str, str | None]:
    """Return the meaning of an exit code without an outcome, and what to do about it."""
    if code >= 0:
        message = f"The training process ended by itself with exit code {code}, without saying why."
        return message, "Does the code, or a library, call os._exit()?"
    try:
        number = signal.Signals(-code)
    except ValueError:
        return f"The training process was ended by signal {-code}.", None
    return f"The training process was ended by {number.name}.", _SIGNAL_HINTS.get(number)
