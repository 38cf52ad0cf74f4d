"""Processes that live and end together: restarts, last words, the end of all."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest

from keepbest.cli.service.processes import MAX_RESTARTS, Children, ManagedProcess, ending
from keepbest.errors import KeepbestError
from tests.support.processes import Processes, is_alive, wait_until

SLEEPER = "import time; print('up', flush=True); time.sleep(60)"
STUBBORN = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(60)"


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def child(tmp_path: Path, code: str, name: str = "worker", grace_seconds: float = 5.0) -> ManagedProcess:
    return ManagedProcess(
        name, [sys.executable, "-c", code], dict(os.environ), tmp_path / "logs" / f"{name}.log", grace_seconds
    )


def wait_for_start(one: ManagedProcess) -> None:
    wait_until(lambda: one.log.exists() and "up" in one.log.read_text())


def test_a_child_that_died_is_started_again(tmp_path: Path) -> None:
    told: list[str] = []
    clock = Clock()
    children = Children(told.append, clock)
    one = child(tmp_path, SLEEPER)
    children.start(one)
    first = one.process
    assert first is not None
    first.kill()
    first.wait()
    children.supervise()
    assert told[0] == f"The worker ended with SIGKILL; starting it again in 1 s (see {one.log})."
    children.supervise()
    assert one.process is first
    clock.now = 1.0
    children.supervise()
    assert one.process is not first
    assert one.is_running()
    children.stop()
    assert not one.is_running()


def test_a_child_that_keeps_dying_ends_it_with_its_last_words(tmp_path: Path) -> None:
    clock = Clock()
    children = Children(lambda text: None, clock)
    one = child(tmp_path, "print('no database'); raise SystemExit(3)")
    children.start(one)

    def supervise_for_ever() -> None:
        while True:
            assert one.process is not None
            one.process.wait()  # the clock stands still: a child that is slow to start has not been well for long
            children.supervise()
            assert one.due_at is not None
            clock.now = one.due_at
            children.supervise()

    with pytest.raises(KeepbestError, match=r"keeps ending; its last words:\n(no database\n)+"):
        supervise_for_ever()
    assert one.log.read_text().count("no database") == MAX_RESTARTS + 1
    assert ending(one) == "status 3"
    children.stop()


def test_a_child_that_was_well_for_long_begins_anew(tmp_path: Path) -> None:
    clock = Clock()
    children = Children(lambda text: None, clock)
    one = child(tmp_path, SLEEPER)
    one.restarts = MAX_RESTARTS
    children.start(one)
    clock.now = 31.0
    assert one.process is not None
    one.process.kill()
    one.process.wait()
    children.supervise()
    assert one.restarts == 1
    children.stop()


@pytest.mark.parametrize("hurried", [False, True])
def test_who_does_not_end_is_killed(tmp_path: Path, hurried: bool) -> None:
    told: list[str] = []
    children = Children(told.append)
    one = child(tmp_path, STUBBORN, grace_seconds=60.0 if hurried else 0.2)
    children.start(one)
    wait_for_start(one)
    children.stop(hurry=lambda: hurried)
    assert told == ["The worker did not end by itself: killed."]
    assert ending(one) == "SIGKILL"


def test_the_last_started_ends_first(tmp_path: Path) -> None:
    order = tmp_path / "order"
    code = "import signal, time, sys\ndef end(*_):\n open({!r}, 'a').write({!r}); sys.exit()\n"
    code += "signal.signal(signal.SIGTERM, end); print('up', flush=True); time.sleep(60)"
    children = Children(lambda text: None)
    for name in ("a", "b", "c"):
        one = child(tmp_path, code.format(str(order), name), name)
        children.start(one)
        wait_for_start(one)
    children.stop()
    assert order.read_text() == "cba"


def test_a_long_log_begins_anew(tmp_path: Path) -> None:
    one = child(tmp_path, SLEEPER)
    one.log.parent.mkdir()
    one.log.write_bytes(b"x" * (11 * 2**20))
    one.start(0.0)
    wait_for_start(one)
    assert one.log.stat().st_size < 100
    assert one.log.with_suffix(".old.log").stat().st_size == 11 * 2**20
    one.signal(signal.SIGKILL)
    assert one.process is not None
    one.process.wait()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells children that their parent was killed")
def test_a_parent_that_is_killed_takes_its_children_along(tmp_path: Path, processes: Processes) -> None:
    log = tmp_path / "child.log"
    code = (
        "import os, sys, time; from pathlib import Path; from keepbest.cli.service.processes import ManagedProcess;"
        f"one = ManagedProcess('x', [sys.executable, '-c', {SLEEPER!r}], dict(os.environ), Path({str(log)!r}));"
        "one.start(0.0); print('child', one.process.pid, flush=True); time.sleep(60)"
    )
    parent = processes.start(sys.executable, "-c", code)
    pid = int(parent.wait_for_output("child").split()[1])
    wait_until(lambda: log.exists() and "up" in log.read_text())
    parent.send(signal.SIGKILL)
    parent.wait()
    wait_until(lambda: not is_alive(pid), what="the child's end")
