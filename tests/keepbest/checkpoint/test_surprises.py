"""What disks and clocks do to a store: it goes away and comes back, files become empty, rights are lost, time jumps."""

from __future__ import annotations

import errno
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from keepbest.checkpoint import Store
from keepbest.contract.policies import RetentionSpec
from keepbest.errors import CheckpointDamaged, StoreUnavailable
from keepbest.training.checkpoint_recorder import CheckpointRecorder
from tests.support.callbacks import heard_run
from tests.support.states import RUN, about, equal, make_state


def test_a_store_that_is_unmounted_and_comes_back(tmp_path: Path) -> None:
    root, away = tmp_path / "mount", tmp_path / "away"
    store = Store(root)
    old = store.write(make_state(1, step=1), about()).manifest.id
    root.rename(away)
    root.write_text("")  # a mount point without its disk: nothing may be written beside it
    with pytest.raises(StoreUnavailable) as caught:
        store.write(make_state(2, step=2), about())
    assert caught.value.hint
    root.unlink()
    away.rename(root)
    new = store.write(make_state(3, step=3), about()).manifest.id
    assert equal(store.load(RUN, old).arrays, make_state(1, step=1).values)
    assert equal(store.load(RUN, new).arrays, make_state(3, step=3).values)


@pytest.mark.parametrize("number", [errno.EACCES, errno.EPERM])
def test_permission_that_is_lost_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    store = Store(tmp_path)
    old = store.write(make_state(1, step=1), about()).manifest.id

    def refuse(*arguments: object, **named: object) -> int:
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patch:
        patch.setattr(os, "open", refuse)
        with pytest.raises(StoreUnavailable) as caught:
            store.write(make_state(2, step=2), about())
    assert caught.value.hint
    assert [manifest.id for manifest in store.manifests(RUN)] == [old]


@pytest.mark.parametrize("pattern", ["runs/*/*.json", "objects/*/*.safetensors"])
def test_an_empty_file_is_refused_and_the_one_before_is_taken(tmp_path: Path, pattern: str) -> None:
    store = Store(tmp_path)
    store.write(make_state(1, step=1), about())
    before = set(tmp_path.glob(pattern))
    new = store.write(make_state(2, step=2), about(at=datetime(2030, 1, 1, tzinfo=UTC))).manifest.id
    for path in set(tmp_path.glob(pattern)) - before:
        path.write_bytes(b"")
    with pytest.raises(CheckpointDamaged):
        Store(tmp_path).load(RUN, new)
    newest = Store(tmp_path).load_newest(RUN)
    assert newest is not None
    assert newest.manifest.step == 1


def test_a_clock_set_back_makes_no_older_checkpoint_the_newest(tmp_path: Path) -> None:
    run, _, _ = heard_run()
    clock = [datetime(2026, 5, 1, 12, tzinfo=UTC)]

    def archive() -> CheckpointRecorder:
        return CheckpointRecorder(run, Store(tmp_path), RetentionSpec(last=9), now=lambda: clock[0])

    for step in (10, 20, 30):
        opened = archive()  # each in a process of its own
        opened.open()
        opened.write(make_state(step, step=step), "last", None, segment=0)
        opened.close()
        clock[0] -= timedelta(hours=1)
    assert [manifest.step for manifest in Store(tmp_path).manifests(run.id)] == [10, 20, 30]
    newest = Store(tmp_path).load_newest(run.id)
    assert newest is not None
    assert newest.manifest.step == 30
