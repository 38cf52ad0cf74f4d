"""The trainer that waits for its run: taken, lost, never in the way of a run."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from keepbest.contract.runs import Run
from keepbest.status import RunState
from tests.support.environment import clean_environment
from tests.support.need import need_tensorflow
from tests.support.processes import PATIENCE, ROOT, Process, is_alive, wait_until
from tests.support.service import Service, standby_of
from worker import settings
from worker.child_process import ChildProcess, end_orphans
from worker.executors.standby import Standby
from worker.run_folder import RunFolder
from worker.trainer.agent_pipe import pack, unpack

SOFTMAX: dict[str, Any] = {"source": {"kind": "recipe", "name": "softmax-beginners"}, "data": "digits"}
SHORT: dict[str, Any] = {"max_steps": 20, "validate_every": 10, "seed": 5}
#: In place of Keras: an import that waits until it may fail.
BROKEN = """
import pathlib, time
while not (pathlib.Path(__file__).parent / "may-fail").exists():
    time.sleep(0.02)
raise ImportError("no Keras today")
"""

Make = Callable[[], Standby]


@pytest.fixture
def may_fail(tmp_path: Path) -> Path:
    """Put a Keras that cannot be imported before the real one; with this file there, it says so."""
    (tmp_path / "path").mkdir()
    (tmp_path / "path" / "keras.py").write_text(BROKEN)
    return tmp_path / "path" / "may-fail"


@pytest.fixture
def standby(may_fail: Path) -> Iterator[Standby]:
    made = Standby(settings.trainer_environ(clean_environment(PYTHONPATH=str(may_fail.parent))))
    yield made
    made.close()


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    (tmp_path / "run").mkdir()
    return RunFolder(tmp_path / "run")


def prepare(standby: Standby) -> int:
    """Have one wait, and return its process id."""
    standby.prepare()
    assert standby._waiting is not None
    return standby._waiting.child.pid


@pytest.mark.parametrize("secret", ["", "plain", 'a "quoted" one', "two\nlines", "[1]"])
def test_folder_and_secret_are_never_taken_for_each_other(secret: str) -> None:
    line = pack(Path('/odd "folder", really'), secret)
    assert "\n" not in line
    assert unpack(line) == (Path('/odd "folder", really'), secret)


def test_where_nothing_was_prepared_nothing_is_taken(standby: Standby, folder: RunFolder) -> None:
    assert standby.take(folder, "secret") is None
    standby.close()


def test_a_standby_that_cannot_import_is_told_of_once(
    standby: Standby, folder: RunFolder, may_fail: Path, caplog: pytest.LogCaptureFixture
) -> None:
    may_fail.touch()
    pid = prepare(standby)
    wait_until(lambda: not is_alive(pid), what="the failed import")
    for _ in range(3):
        standby.prepare()
    assert caplog.messages == [
        "No trainer waits for the next run, which begins cold: it ended with 1. ImportError: no Keras today"
    ]
    assert standby.take(folder, "secret") is None


def test_a_standby_that_fails_with_a_run_says_so_in_its_log(
    standby: Standby, folder: RunFolder, may_fail: Path
) -> None:
    standby.prepare()
    child = standby.take(folder, "secret")
    assert child is not None
    may_fail.touch()
    assert child.wait(PATIENCE) == 1
    child.close()
    assert "no Keras today" in folder.output.read_text()
    assert standby.take(folder, "secret") is None


def test_a_killed_standby_is_not_taken_and_none_follows_soon(
    standby: Standby, folder: RunFolder, caplog: pytest.LogCaptureFixture
) -> None:
    pid = prepare(standby)
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not is_alive(pid), what="its end")
    assert standby.take(folder, "secret") is None
    standby.prepare()
    assert standby.take(folder, "secret") is None
    assert caplog.text.count("begins cold: it ended with -9") == 1


def test_a_standby_that_waits_in_vain_gives_its_memory_back(
    standby: Standby, folder: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    pid = prepare(standby)
    monkeypatch.setattr("worker.executors.standby.IDLE_SECONDS", 0.0)
    standby.prepare()
    assert not is_alive(pid)
    standby.prepare()
    assert standby.take(folder, "secret") is None
    assert is_alive(prepare(standby))


def test_one_that_ends_while_it_is_told_is_not_taken(
    standby: Standby, folder: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    pid = prepare(standby)
    monkeypatch.setattr(ChildProcess, "tell", lambda child, line: False)
    assert standby.take(folder, "secret") is None
    assert not is_alive(pid)


def test_one_that_does_not_answer_is_replaced(
    standby: Standby, folder: RunFolder, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("worker.executors.standby.IMPORT_SECONDS", 0.0)
    monkeypatch.setattr("worker.executors.standby.ANSWER_SECONDS", 0.2)
    pid = prepare(standby)
    os.kill(pid, signal.SIGSTOP)
    assert standby.take(folder, "secret") is None
    assert not is_alive(pid)
    assert "did not answer: run begins cold" in caplog.text
    assert is_alive(prepare(standby))  # it is no sign that others would do the same


def test_what_was_started_before_its_run_is_found_by_its_run(standby: Standby, folder: RunFolder) -> None:
    standby.prepare()
    child = standby.take(folder, "secret")
    assert child is not None
    # The kernel shows a new program's environment a moment after it has said that the program began.
    wait_until(lambda: end_orphans(folder.find_mark() or "") == 1, what="a process with the mark")
    assert child.wait(10) == -signal.SIGKILL
    child.close()


def test_what_is_imported_ahead_touches_no_device() -> None:
    """A GPU's memory belongs to runs: a process that only waits for one must not have taken it."""
    need_tensorflow()
    program = """
from worker.trainer.import_tensorflow import find_devices, import_tensorflow; import_tensorflow()
import worker.trainer.trainer; from tensorflow.python.eager.context import context
print(context()._initialized); find_devices(); print(context()._initialized)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, env=clean_environment(), capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["False", "True"]


# A worker


def start_worker(service: Service) -> tuple[Process, int]:
    worker = service.start_worker(KEEPBEST_WORKER_STANDBY="1")
    return worker, wait_for_standby(worker)


def wait_for_standby(worker: Process) -> int:
    return wait_until(lambda: standby_of(worker), what="a trainer that waits") or 0


def train(service: Service) -> tuple[Run, tuple[Any, ...]]:
    """Return a short run, finished, and all that must be the same in two of them."""
    run = service.wait_for(service.submit(**SOFTMAX, **SHORT))
    assert run.state is RunState.FINISHED
    assert run.test is not None
    validations = [
        (validation.step, validation.value, validation.metrics)
        for validation in service.client.validations(run.id).validations
    ]
    return run, (validations, run.best_step, run.best_value, run.test.values, service.logs(run.id))


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_a_run_in_a_waiting_trainer_is_the_same_to_the_last_bit(service: Service) -> None:
    need_tensorflow()
    worker, pid = start_worker(service)
    for told in ("cmdline", "environ"):
        assert service.worker_token.encode() not in Path(f"/proc/{pid}/{told}").read_bytes()
    warm, values = train(service)
    assert f"begins warm: process {pid} had waited" in worker.output
    next_pid = wait_for_standby(worker)
    os.kill(next_pid, signal.SIGKILL)
    worker.wait_for_output("begins cold: it ended with -9")
    cold, same_values = train(service)
    assert values == same_values
    assert warm.attempt == cold.attempt == 1
    assert worker.output.count("begins warm") == 1


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_it_ends_with_its_worker(number: signal.Signals, service: Service) -> None:
    need_tensorflow()
    worker, pid = start_worker(service)
    worker.send(number)
    worker.wait()
    wait_until(lambda: not is_alive(pid), what="the end of the one that waited")
