"""Whatever happens while a checkpoint is written: the old ones stay, the new one is whole or does not exist."""

from __future__ import annotations

import errno
import json
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from keepbest.checkpoint import Store
from keepbest.checkpoint.files import direct_io
from keepbest.errors import StoreUnavailable
from tests.support.processes import PATIENCE, Processes
from tests.support.states import RUN, about, equal, files_of, make_state

CALLS = ("open", "posix_fallocate", "writev", "write", "fsync", "rename", "mkdir")


class Faulty:
    """Lets the n-th of some system calls fail, and counts them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, number: int, at: int) -> None:
        self.count = 0
        for name in CALLS:
            monkeypatch.setattr(os, name, self._wrap(getattr(os, name), number, at))

    def _wrap(self, whole: Callable[..., Any], number: int, at: int) -> Callable[..., Any]:
        def call(*arguments: Any, **named: Any) -> Any:
            self.count += 1
            if self.count == at:
                raise OSError(number, os.strerror(number))
            return whole(*arguments, **named)

        return call


def write_faulty(root: Path, number: int, at: int) -> tuple[StoreUnavailable | None, int]:
    """Write a second checkpoint while the `at`-th call fails; return the error and how many calls there were."""
    with pytest.MonkeyPatch.context() as patch:
        faulty = Faulty(patch, number, at)
        try:
            Store(root, threads=1).write(make_state(2, step=2), about())
        except StoreUnavailable as error:
            return error, faulty.count
        return None, faulty.count


@pytest.fixture(params=["cached", "direct"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both ways of writing: through the page cache, as small packs are, and past it."""
    if request.param == "direct":
        monkeypatch.setattr(direct_io, "DIRECT_FROM_BYTES", 0)
    return str(request.param)


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize(
    ("number", "hint"),
    [
        (errno.ENOSPC, "Free space on that disk"),
        (errno.EROFS, "Make the folder writable"),
        (errno.EIO, "Check that the disk is there"),
    ],
)
def test_an_error_at_any_call_leaves_the_old_ones_alone(tmp_path: Path, number: int, hint: str) -> None:
    _, calls = write_faulty(tmp_path / "count", number, at=0)
    assert calls >= 10
    for at in range(1, calls + 1):
        root = tmp_path / str(at)
        old = Store(root).write(make_state(1, step=1), about()).manifest.id
        error, _ = write_faulty(root, number, at)
        assert error is None or hint in str(error.hint)
        store = Store(root)
        steps = {manifest.step: manifest.id for manifest in store.manifests(RUN)}
        assert steps[1] == old  # and step 2 where only making its name durable failed
        for step, checkpoint in steps.items():
            assert equal(store.load(RUN, checkpoint).arrays, make_state(step, step=step).values)
        assert not [path for path in files_of(root) if path.parent.name == "tmp"]


def test_after_a_full_disk_writing_goes_on(tmp_path: Path) -> None:
    error, _ = write_faulty(tmp_path, errno.ENOSPC, at=3)
    assert error is not None
    assert "B are left" in str(error.hint)
    written = Store(tmp_path).write(make_state(3), about())
    assert equal(Store(tmp_path).load(RUN, written.manifest.id).arrays, make_state(3).values)


def test_a_store_whose_folder_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "store").write_text("not a folder")
    with pytest.raises(StoreUnavailable, match="cannot be written"):
        Store(tmp_path / "store").write(make_state(), about())


@pytest.mark.parametrize("way", [[], ["direct"]])
def test_killed_at_every_system_call(tmp_path: Path, processes: Processes, way: list[str]) -> None:
    child = processes.python("tests.support.kill_writer", tmp_path, *way)
    assert child.wait() == 0, child.output
    rows = [json.loads(line) for line in child.output.splitlines()]
    assert len(rows) >= 10
    assert all(row["right"] for row in rows)
    assert all(len(row["steps"]) == row["manifests"] for row in rows)  # each manifest there is loads
    assert not rows[-1]["killed"]
    assert rows[-1]["at"] in rows[-1]["steps"]
    assert sum(row["swept"] for row in rows) >= 4
    assert not list((tmp_path / "tmp").iterdir())


def test_the_sweep_waits_for_nobody_and_hurts_nobody(tmp_path: Path) -> None:
    store, other = Store(tmp_path), Store(tmp_path)
    store.write(make_state(), about())
    leftover = tmp_path / "tmp" / "leftover.safetensors"
    leftover.write_bytes(b"half")
    writing, done = threading.Event(), threading.Event()

    def hold() -> None:
        with other.folder.writing():
            writing.set()
            done.wait(PATIENCE)

    holder = threading.Thread(target=hold)
    holder.start()
    assert writing.wait(PATIENCE)
    assert store.sweep() == 0
    done.set()
    holder.join()
    assert store.sweep() == 1
    assert not leftover.exists()


def test_sweeping_what_is_not_there(tmp_path: Path) -> None:
    assert Store(tmp_path / "nowhere").sweep() == 0
    assert not (tmp_path / "nowhere").exists()
