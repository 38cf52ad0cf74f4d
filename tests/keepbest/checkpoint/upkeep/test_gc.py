"""The collector: what goes, what it frees, what it never touches; alone and beside somebody who writes."""

from __future__ import annotations

import json
import os
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from keepbest.checkpoint import Store
from keepbest.checkpoint.files import trash
from keepbest.checkpoint.upkeep.gc import GRACE, TRASH_AGE, Collected, collect
from keepbest.errors import StoreUnavailable
from tests.support.processes import Processes
from tests.support.states import OTHER_RUN, RUN, about, cut, equal, files_of, flip, make_state

NOW = datetime.now().astimezone()


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def write(store: Store, seed: int, *, run: str = RUN, frozen: int = 0, network: str | None = None) -> str:
    return store.write(make_state(seed, step=seed, frozen=frozen), about(run, network=network)).manifest.id


def used(store: Store) -> int:
    return sum(path.stat().st_blocks * 512 for path in files_of(store.folder.root) if "objects" in path.parts)


def sweep(store: Store, doomed: list[str], **how: Any) -> Collected:
    return collect(store.folder, [(RUN, id) for id in doomed], **{"now": NOW, **how})


def test_what_is_doomed_goes_through_the_trash(store: Store) -> None:
    stays, goes = write(store, 1), write(store, 2)
    before = used(store)
    done = sweep(store, [goes])
    assert (done.trashed, done.emptied, done.freed_bytes) == ([(RUN, goes)], [], 0)
    assert done.waiting_bytes > 0
    assert store.checkpoints(RUN) == [stays]
    assert used(store) == before
    later = sweep(store, [], now=NOW + TRASH_AGE + timedelta(seconds=1))
    assert later.emptied == [(RUN, goes)]
    assert used(store) == before - later.freed_bytes
    assert later.freed_bytes == done.waiting_bytes
    assert list((store.folder.root / "trash").iterdir()) == []
    assert equal(store.load(RUN, stays).arrays, make_state(1, step=1).values)


def test_a_dry_run_says_the_same_and_does_nothing(store: Store) -> None:
    goes = write(store, 1)
    write(store, 2)
    files = files_of(store.folder.root)
    dry = sweep(store, [goes], dry_run=True)
    assert files_of(store.folder.root) == files
    assert dry == sweep(store, [goes])
    after = NOW + 2 * TRASH_AGE
    files = files_of(store.folder.root)
    dry = sweep(store, [], now=after, dry_run=True)
    assert files_of(store.folder.root) == files
    assert dry == sweep(store, [], now=after)
    assert dry.freed_bytes > 0


def test_undo_puts_it_back(store: Store) -> None:
    ids = [write(store, seed) for seed in (1, 2, 3)]
    sweep(store, ids[:2])
    assert trash.undo(store.folder, RUN, ids[0]) == [ids[0]]
    assert equal(store.load(RUN, ids[0]).arrays, make_state(1, step=1).values)
    assert trash.undo(store.folder, RUN) == [ids[1]]
    assert trash.undo(store.folder, OTHER_RUN) == []
    assert sorted(store.checkpoints(RUN)) == sorted(ids)


def test_a_shared_pack_stays_as_long_as_anything_names_it(store: Store) -> None:
    ids = [write(store, seed, frozen=5) for seed in (1, 2)]
    sweep(store, [ids[0]], trash_age=timedelta(0))
    assert equal(store.load(RUN, ids[1]).arrays, make_state(2, step=2, frozen=5).values)
    sweep(store, [ids[1]], trash_age=timedelta(0))
    assert [path for path in files_of(store.folder.root) if "objects" in path.parts] == []


def test_the_network_goes_with_the_last_that_needs_it(store: Store) -> None:
    ids = [write(store, seed, network="{}") for seed in (1, 2)]
    network = store.read_manifest(RUN, ids[0])[0].network
    assert network is not None
    sweep(store, [ids[0]], trash_age=timedelta(0))
    assert store.read_network(network) == "{}"
    sweep(store, [ids[1]], trash_age=timedelta(0))
    assert not store.folder.content(network, ".json").exists()


def test_a_pin_wins(store: Store) -> None:
    pinned = write(store, 1)
    store.folder.pin(RUN, pinned, True)
    store.folder.pin(RUN, pinned, True)
    assert store.folder.pins(RUN) == {pinned}
    assert sweep(store, [pinned]).trashed == []
    assert not store.drop(RUN, pinned)
    assert store.checkpoints(RUN) == [pinned]
    store.folder.pin(RUN, pinned, False)
    store.folder.pin(RUN, pinned, False)
    assert sweep(store, [pinned]).trashed == [(RUN, pinned)]


def test_orphans_go_when_they_are_old(store: Store) -> None:
    checkpoint = write(store, 1)
    manifest = store.read_manifest(RUN, checkpoint)[0]
    store.folder.manifest(RUN, checkpoint).unlink()
    (name,) = manifest.objects
    assert sweep(store, []).orphans == []
    old = (NOW - GRACE - timedelta(seconds=60)).timestamp()
    os.utime(store.folder.content(name), (old, old))
    done = sweep(store, [])
    assert done.orphans == [f"{name}.safetensors"]
    assert done.freed_bytes > 0
    assert not store.folder.content(name).exists()


def test_a_file_that_is_not_ours_stays(store: Store) -> None:
    write(store, 1)
    strange = store.folder.root / "objects" / "ab" / "notes.txt"
    strange.parent.mkdir(exist_ok=True)
    strange.write_text("mine")
    sweep(store, [], grace=timedelta(0))
    assert strange.read_text() == "mine"


@pytest.mark.parametrize("problem", ["flipped", "cut"])
def test_nothing_is_removed_while_a_manifest_is_damaged(store: Store, problem: str) -> None:
    """Nobody knows what it needs, and somebody may still mend it."""
    damaged, other = write(store, 1), write(store, 2)
    path = store.folder.manifest(RUN, damaged)
    flip(path, 300) if problem == "flipped" else cut(path, 100)
    before = used(store)
    done = sweep(store, [other], trash_age=timedelta(0), grace=timedelta(0))
    assert len(done.damaged) == 1
    assert (done.freed_bytes, used(store)) == (0, before)
    assert trash.undo(store.folder, RUN) == [other]


def test_it_waits_for_whoever_writes(store: Store) -> None:
    doomed = write(store, 1)
    with Store(store.folder.root).folder.writing():
        done = sweep(store, [doomed], trash_age=timedelta(0), wait_seconds=0.05)
    assert done.busy
    assert (done.trashed, used(store) > 0) == ([(RUN, doomed)], True)
    assert sweep(store, [], trash_age=timedelta(0)).emptied == [(RUN, doomed)]


def test_no_store_is_an_empty_one(store: Store) -> None:
    assert sweep(store, ["c" * 12], dry_run=True) == Collected()
    assert not store.folder.root.exists()


def test_a_store_that_cannot_be_written(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    doomed = write(store, 1)

    def refuse(*_: Any, **__: Any) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "rename", refuse)
    with pytest.raises(StoreUnavailable, match="Permission denied"):
        sweep(store, [doomed])


def test_beside_another_process_that_writes(store: Store, processes: Processes) -> None:
    """One writes, shares and drops; here everything that is not needed goes as soon as it can."""
    twin = write(store, 1, run=OTHER_RUN, frozen=1)  # the very pack that the other process begins with
    other = processes.python("tests.support.collecting", store.folder.root, "1.5")
    rounds = 0
    while other.is_running():
        trash.put(store.folder, OTHER_RUN, twin, NOW)
        done = collect(store.folder, now=NOW, grace=timedelta(0), wait_seconds=0.2)
        trash.undo(store.folder, OTHER_RUN, twin)
        rounds += not done.busy
    assert other.wait() == 0, other.output
    said = json.loads(other.output)
    assert said["count"] > 5
    assert rounds > 5
    assert equal(store.load(OTHER_RUN, twin).arrays, make_state(1, step=1, frozen=1).values)
    for checkpoint in said["kept"]:
        store.load(RUN, checkpoint)
