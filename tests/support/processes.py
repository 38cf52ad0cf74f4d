"""Real processes for tests: output kept in a file, waits with a deadline, the whole group killed at the end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

import pytest

from tests.support.environment import clean_environment

ROOT = Path(__file__).resolve().parents[2]
T = TypeVar("T")
#: Seconds that a test waits for something that must come. A busy machine is late with everything, so this measures no
#: speed: only what never comes fails, and a process that ends too early fails at once.
PATIENCE = 300.0
#: No worker starts a trainer ahead: most tests never submit a run.
NO_STANDBY = {"KEEPBEST_WORKER_STANDBY": "0"}


def wait_until(predicate: Callable[[], T], *, seconds: float = PATIENCE, what: str = "the condition") -> T:
    """Call the predicate until it is true and return what it returned; fail after the deadline."""
    deadline = time.monotonic() + seconds
    while True:
        result = predicate()
        if result:
            return result
        if time.monotonic() >= deadline:
            raise AssertionError(f"{what} did not come true within {seconds:g} s")
        time.sleep(0.02)


def is_alive(pid: int) -> bool:
    """Whether a process runs; one that ended and waits to be reaped does not."""
    try:
        return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False


class Process:
    """A program in a process group of its own; stdout and stderr go to one file."""

    def __init__(self, command: Sequence[str | Path], *, output: Path, folder: Path, variables: dict[str, str]) -> None:
        self.command = [str(part) for part in command]
        self.output_path = output
        with output.open("wb") as sink:
            self.popen = subprocess.Popen(
                self.command,
                cwd=folder,
                env=clean_environment(**(NO_STANDBY | variables)),
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        return self.popen.pid

    @property
    def output(self) -> str:
        return self.output_path.read_text(errors="replace")

    def is_running(self) -> bool:
        return self.popen.poll() is None

    def wait_until(self, predicate: Callable[[], T], *, seconds: float = PATIENCE, what: str = "the condition") -> T:
        """Wait as the function of this name does, but fail at once, with the output, when the process ends."""

        def check() -> T:
            running = self.is_running()
            result = predicate()
            if not result and not running:
                raise AssertionError(f"it ended with {self.popen.returncode} before {what}")
            return result

        try:
            return wait_until(check, seconds=seconds, what=what)
        except AssertionError as error:
            raise AssertionError(f"{self}: {error}; its output:\n{self.output}") from None

    def wait_for_output(self, text: str, *, seconds: float = PATIENCE) -> str:
        """Return the output as soon as the text is in it."""
        self.wait_until(lambda: text in self.output, seconds=seconds, what=f"the output {text!r}")
        return self.output

    def wait(self, *, seconds: float = PATIENCE) -> int:
        """Return the exit code; negative for a signal."""
        try:
            return self.popen.wait(seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{self} still runs after {seconds:g} s:\n{self.output}") from None

    def send(self, number: signal.Signals) -> None:
        """Send a signal to this process only."""
        self.popen.send_signal(number)

    def kill_group(self) -> None:
        """Kill the process and everything it started in its group."""
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self.popen.wait(10)

    def __str__(self) -> str:
        return f"`{' '.join(self.command)}`"


class Processes:
    """Starts processes in one folder and ends them all."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.started: list[Process] = []

    def start(self, *command: str | Path, folder: Path | None = None, **variables: str) -> Process:
        """Start a command with KEEPBEST_* taken out of the environment and the variables given put in."""
        output = self.folder / f"process-{len(self.started)}.log"
        process = Process(command, output=output, folder=folder or ROOT, variables=variables)
        self.started.append(process)
        return process

    def python(self, module: str, *arguments: str | Path, folder: Path | None = None, **variables: str) -> Process:
        """Start `python -m module`."""
        return self.start(sys.executable, "-m", module, *arguments, folder=folder, **variables)

    def with_tensorflow(self, module: str, *arguments: str | Path, **variables: str) -> Process:
        """Start `python -m module`, which imports TensorFlow."""
        return self.python("tests.support.with_tensorflow", module, *arguments, folder=None, **variables)

    def stop_all(self) -> None:
        for process in reversed(self.started):
            process.kill_group()


@pytest.fixture
def processes(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Processes]:
    """Start real processes; those that still run after the test are killed, before another test gets its database."""
    for name in {"database_url", "postgres_url", "empty_database_url"} & set(request.fixturenames):
        request.getfixturevalue(name)
    folder = tmp_path / "processes"
    folder.mkdir()
    started = Processes(folder)
    yield started
    started.stop_all()
