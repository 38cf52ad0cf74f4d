"""The background writer: newest first served, nobody's error training's."""

from __future__ import annotations

import os
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from keepbest.checkpoint import CheckpointInfo, CheckpointWriter, Store, Written
from keepbest.checkpoint.restore import checkpoints
from keepbest.errors import CheckpointError
from keepbest.snapshots.state import State
from tests.support.processes import PATIENCE, wait_until
from tests.support.states import about, make_state


class SlowStore(Store):
    """A store whose disk waits until it is told to go on."""

    def __init__(self, root: Path, error: Exception | None = None) -> None:
        super().__init__(root)
        self.go_on = threading.Event()
        self.began: list[int] = []
        self.error = error

    def write(self, state: State, about: CheckpointInfo) -> Written:
        self.began.append(state.step)
        assert self.go_on.wait(PATIENCE)
        if self.error is not None and state.step == 1:
            raise self.error
        return super().write(state, about)


class Heard:
    """What the writer told."""

    def __init__(self) -> None:
        self.durable: list[int] = []
        self.skipped: list[int] = []
        self.errors: list[tuple[int, str]] = []
        self.delayed: list[int] = []

    def writer(self, store: Store) -> CheckpointWriter:
        return CheckpointWriter(
            store,
            on_durable=lambda written: self.durable.append(written.manifest.step),
            on_skipped=lambda task: self.skipped.append(task.state.step),
            on_error=lambda task, error: self.errors.append((task.state.step, str(error))),
            on_delayed=lambda task, error: self.delayed.append(task.state.step),
        )


def submit(writer: CheckpointWriter, step: int, **changed: Any) -> None:
    writer.submit(make_state(step, step=step), about(**changed))


def test_only_the_newest_best_waits(tmp_path: Path) -> None:
    store, heard = SlowStore(tmp_path), Heard()
    writer = heard.writer(store)
    submit(writer, 1)
    wait_until(lambda: store.began == [1])
    for step in range(2, 7):
        submit(writer, step)
    assert heard.skipped == [2, 3, 4, 5]
    assert not writer.drain(0.01)
    store.go_on.set()
    assert writer.close(20)
    assert heard.durable == [1, 6]


def may_hurry() -> bool:
    """Whether this system lets us take a niceness back."""

    def try_it() -> None:
        own = threading.get_native_id()
        os.setpriority(os.PRIO_PROCESS, own, 19)
        with suppress(PermissionError):
            os.setpriority(os.PRIO_PROCESS, own, 0)
        found.append(os.getpriority(os.PRIO_PROCESS, own))

    found: list[int] = []
    thread = threading.Thread(target=try_it)
    thread.start()
    thread.join()
    return found == [0]


@pytest.mark.skipif(sys.platform != "linux", reason="a thread has no niceness of its own")
def test_it_is_out_of_the_way_until_somebody_waits_for_it(tmp_path: Path) -> None:
    store, before = SlowStore(tmp_path), set(threading.enumerate())
    writer = Heard().writer(store)
    submit(writer, 1)
    (thread,) = (one.native_id or 0 for one in set(threading.enumerate()) - before if one.name == "keepbest-writer")
    wait_until(lambda: store.began == [1])
    assert os.getpriority(os.PRIO_PROCESS, thread) == 19
    waiting = threading.Thread(target=writer.drain)
    waiting.start()
    hurried = 0 if may_hurry() else 19
    wait_until(lambda: os.getpriority(os.PRIO_PROCESS, thread) == hurried)
    store.go_on.set()
    waiting.join(20)
    assert os.getpriority(os.PRIO_PROCESS, thread) == 19
    assert writer.close(20)


def test_what_was_asked_for_is_never_skipped(tmp_path: Path) -> None:
    store, heard = SlowStore(tmp_path), Heard()
    writer = heard.writer(store)
    submit(writer, 1)
    wait_until(lambda: store.began == [1])
    submit(writer, 2, kind="manual")
    submit(writer, 3)
    submit(writer, 4, kind="last")
    submit(writer, 5)
    store.go_on.set()
    assert writer.close(20)
    assert (heard.durable, heard.skipped) == ([1, 2, 5], [3, 4])


@pytest.mark.parametrize("error", [CheckpointError("bad"), OSError("gone"), ValueError("odd")])
def test_an_error_is_told_and_the_next_one_is_written(tmp_path: Path, error: Exception) -> None:
    store, heard = SlowStore(tmp_path, error), Heard()
    store.go_on.set()
    writer = heard.writer(store)
    submit(writer, 1)
    assert writer.drain(20)
    submit(writer, 2)
    assert writer.close(20)
    assert heard.errors == [(1, str(error))]
    assert heard.durable == [2]


def test_an_error_in_the_one_who_is_told_ends_nothing(tmp_path: Path) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("not the writer's")

    writer = CheckpointWriter(Store(tmp_path), on_durable=fail, on_error=fail)
    submit(writer, 1)
    submit(writer, 2, kind="last")
    assert writer.close(20)
    assert len(Store(tmp_path).manifests("r" * 12)) == 2


def test_a_closed_writer_takes_nothing(tmp_path: Path) -> None:
    writer = CheckpointWriter(Store(tmp_path))
    assert writer.close(20)
    with pytest.raises(CheckpointError, match="closed"):
        submit(writer, 1)


def test_readers_wait_for_checkpoints_still_being_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = SlowStore(tmp_path)
    writer, other = Heard().writer(store), Heard().writer(store)
    drain = writer.drain

    def go_on(seconds: float) -> bool:
        store.go_on.set()
        return drain(seconds)

    monkeypatch.setattr(writer, "drain", go_on)
    submit(writer, 1)
    submit(other, 2, run="0" * 12)
    assert checkpoints("1" * 12, store=store) == []
    assert [found.step for found in checkpoints(about().run, store=store)] == [1]
    monkeypatch.undo()
    assert writer.close(20)
    assert other.close(20)
