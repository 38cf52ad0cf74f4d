"""Children that end with their parents, with small programs in place of trainers."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.processes import PATIENCE, is_alive, wait_until
from worker.child_process import ChildProcess, end_orphans, explain_exit

Start = Callable[..., ChildProcess]
MARK = "of-this-test"


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    children: list[ChildProcess] = []

    def start_child(program: str, secret: str = "") -> ChildProcess:
        child = ChildProcess(
            [sys.executable, "-c", program],
            folder=tmp_path,
            output=tmp_path / "output.log",
            environ={"PATH": os.defpath, "PYTHONUNBUFFERED": "1"},
            mark=MARK,
            secret=secret,
        )
        children.append(child)
        return child

    yield start_child
    for child in children:
        child.kill()


def test_output_of_both_streams_and_the_exit_code_are_kept(start: Start, tmp_path: Path) -> None:
    child = start("import sys; print('out'); print('err', file=sys.stderr); sys.exit(7)")
    assert child.wait(PATIENCE) == 7
    assert (tmp_path / "output.log").read_text() == "out\nerr\n"


def test_the_secret_arrives_by_standard_input(start: Start, tmp_path: Path) -> None:
    child = start("import os; secret = input(); print(len(secret), secret in os.environ.values())", secret="abc")
    assert child.wait(PATIENCE) == 0
    assert (tmp_path / "output.log").read_text() == "3 False\n"


def test_closing_the_pipe_ends_standard_input(start: Start) -> None:
    child = start("import sys; sys.stdin.read()")
    assert child.wait(0.2) is None
    child.close()
    assert child.wait(PATIENCE) == 0


def test_a_child_has_its_own_group_where_ctrl_c_does_not_reach(start: Start) -> None:
    child = start("import time; time.sleep(60)")
    assert os.getpgid(child.pid) == child.pid != os.getpgid(0)


def test_killing_takes_grandchildren_along(start: Start, tmp_path: Path) -> None:
    program = "import subprocess, time; p = subprocess.Popen(['sleep', '60']); print(p.pid); time.sleep(60)"
    child = start(program)
    pid = int(wait_until(lambda: (tmp_path / "output.log").read_text().strip(), what="the grandchild's id"))
    child.kill()
    assert child.poll() == -signal.SIGKILL
    wait_until(lambda: not is_alive(pid), what="the grandchild's end")


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the trainer itself takes its group along")
def test_children_of_a_trainer_killed_alone_are_found(start: Start, tmp_path: Path) -> None:
    """The agent was killed, the kernel took the trainer along at once, and a `sleep` of the user's code stayed."""
    program = "import subprocess, time; p = subprocess.Popen(['sleep', '60']); print(p.pid); time.sleep(60)"
    child = start(program)
    pid = int(wait_until(lambda: (tmp_path / "output.log").read_text().strip(), what="the grandchild's id"))
    os.kill(child.pid, signal.SIGKILL)
    assert child.wait(PATIENCE) == -signal.SIGKILL
    assert is_alive(pid)
    assert end_orphans("another") == 0
    assert end_orphans(MARK) == 1
    wait_until(lambda: not is_alive(pid), what="the grandchild's end")


def test_interrupting_asks_politely(start: Start, tmp_path: Path) -> None:
    program = (
        "import signal, sys, time; signal.signal(signal.SIGTERM, lambda *_: sys.exit(75)); print('up'); time.sleep(60)"
    )
    child = start(program)
    wait_until(lambda: (tmp_path / "output.log").read_text(), what="the handler")
    child.interrupt()
    assert child.wait(PATIENCE) == 75
    child.interrupt()  # once more, after its end: nothing happens


def test_a_program_that_reads_no_secret_is_no_trouble(start: Start) -> None:
    child = start("pass", secret="x" * 1000)
    assert child.wait(PATIENCE) == 0
    assert not child.tell("nobody hears it")


@pytest.mark.parametrize(
    ("code", "words", "advice"),
    [
        (-9, "SIGKILL", "memory"),
        (-11, "SIGSEGV", "native library"),
        (-6, "SIGABRT", "gave up"),
        (-15, "SIGTERM", None),
        (-250, "signal 250", None),
        (3, "exit code 3", "os._exit"),
        (0, "exit code 0", "os._exit"),
    ],
)
def test_exits_are_explained(code: int, words: str, advice: str | None) -> None:
    message, hint = explain_exit(code)
    assert words in message
    assert hint is None if advice is None else advice in str(hint)
