"""Which store a folder is: a mount that went away, an exchanged folder, and what nobody may do there."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from keepbest.checkpoint import Store, writer
from keepbest.checkpoint.files import trash
from keepbest.checkpoint.files.identity import Identity
from keepbest.checkpoint.upkeep.fsck import check, repair
from keepbest.checkpoint.upkeep.gc import collect
from keepbest.errors import NotTheStore, StoreUnavailable
from tests.keepbest.checkpoint.test_writer import Heard, submit
from tests.support.processes import wait_until
from tests.support.states import RUN, about, files_of, make_state

NOW = datetime(2026, 1, 1, tzinfo=UTC)


class Mount:
    """A folder that can be put in the store's place, as unmounting does: the path names the bare one beneath."""

    def __init__(self, root: Path) -> None:
        self.root, self.away = root, root.with_name("away")

    def unmount(self) -> None:
        self.root.rename(self.away)
        self.root.mkdir()

    def mount(self) -> None:
        self.root.rename(self.root.with_name(f"bare-{len(list(self.root.parent.iterdir()))}"))
        self.away.rename(self.root)


class ReadOnly(Mount):
    """A folder that is mounted anew, and nothing can be written there: what a kernel does where a disk has errors."""

    def unmount(self) -> None:
        self._patch = pytest.MonkeyPatch()
        opens = os.open

        def refuse(path: Any, flags: int, *more: Any, **named: Any) -> int:
            if flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
                raise OSError(errno.EROFS, os.strerror(errno.EROFS))
            return opens(path, flags, *more, **named)

        self._patch.setattr(os, "open", refuse)

    def mount(self) -> None:
        self._patch.undo()


@pytest.fixture
def mount(tmp_path: Path) -> Mount:
    return Mount(tmp_path / "store")


@pytest.fixture
def store(mount: Mount) -> Store:
    store = Store(mount.root)
    store.write(make_state(1, step=1), about())
    return store


def test_the_marker_is_written_once(tmp_path: Path) -> None:
    identities = [Identity(tmp_path / "store") for _ in range(8)]

    def use(identity: Identity) -> None:
        with identity.opened(make=True):
            pass

    users = [threading.Thread(target=use, args=(identity,)) for identity in identities]
    for user in users:
        user.start()
    for user in users:
        user.join()
    assert len({identity.expected for identity in identities}) == 1
    assert identities[0].expected is not None
    assert [path.name for path in (tmp_path / "store").rglob("*") if path.is_file()] == ["store.json"]


USES: dict[str, Callable[[Store, str], object]] = {
    "write": lambda store, id: store.write(make_state(2, step=2), about()),
    "pin": lambda store, id: store.folder.pin(RUN, id, True),
    "select": lambda store, id: store.folder.select(RUN, id),
    "read": lambda store, id: store.load(RUN, id),
    "collect": lambda store, id: collect(store.folder, [(RUN, id)], now=NOW, trash_age=timedelta(0)),
    "fsck": lambda store, id: check(store.folder),
}


@pytest.mark.parametrize("use", USES.values(), ids=USES)
def test_in_a_bare_folder_nothing_is_done(mount: Mount, store: Store, use: Callable[[Store, str], object]) -> None:
    (id,) = store.checkpoints(RUN)
    before = [path.relative_to(mount.root) for path in files_of(mount.root)]
    mount.unmount()
    with pytest.raises(NotTheStore, match="is not the store") as told:
        use(store, id)
    assert "Mount the store" in str(told.value.hint)
    assert list(mount.root.iterdir()) == []
    assert store.sweep() == 0
    mount.mount()
    assert [path.relative_to(mount.root) for path in files_of(mount.root)] == before
    use(store, id)


def test_in_another_store_nothing_is_done(mount: Mount, store: Store) -> None:
    (id,) = store.checkpoints(RUN)
    mount.unmount()
    other = Store(mount.root)
    written = other.write(make_state(1, step=1), about()).manifest
    there = files_of(mount.root)
    with pytest.raises(NotTheStore, match=f"another one .{other.folder.identity.expected}"):
        store.write(make_state(2), about())
    with pytest.raises(NotTheStore):
        store.drop(RUN, written.id)
    with pytest.raises(NotTheStore):
        collect(store.folder, now=NOW, grace=timedelta(0))
    assert not trash.put(store.folder, RUN, id, NOW)
    assert files_of(mount.root) == there


def test_unmounted_between_write_and_rename(mount: Mount, store: Store) -> None:
    """What was written lies in the store, whichever folder the path names by then; it is not called durable."""
    path = mount.root / "runs" / RUN / "0123456789ab.pin"
    with pytest.raises(NotTheStore):
        store.folder.commit(path, lambda descriptor: mount.unmount())
    assert list(mount.root.iterdir()) == []
    mount.mount()
    assert path.is_file()


def test_a_store_older_than_markers_gets_one(mount: Mount, store: Store) -> None:
    (mount.root / "store.json").unlink()
    found = Store(mount.root)
    assert found.drop(RUN, found.checkpoints(RUN)[0])  # its first use removes something
    assert found.folder.identity.expected is not None
    assert (mount.root / "store.json").is_file()


def test_a_machine_remembers_its_store(mount: Mount, tmp_path: Path) -> None:
    notes = tmp_path / "home"
    first = Store(mount.root, notes=notes)
    first.write(make_state(1), about())
    mount.unmount()
    later = Store(mount.root, notes=notes)
    with pytest.raises(NotTheStore):
        later.write(make_state(2), about())
    mount.root.rmdir()
    with pytest.raises(NotTheStore):
        check(later.folder)
    later.folder.identity.accept()
    later.write(make_state(2), about())
    assert Store(mount.root, notes=notes).folder.identity.expected not in (None, first.folder.identity.expected)


@pytest.mark.parametrize("marker", [b"", b"[]", b'{"id": 7}', b'{"id": "../../etc/pw"}', b"\xff" * 10_000])
def test_a_marker_that_is_none_is_no_store(mount: Mount, store: Store, marker: bytes) -> None:
    (mount.root / "store.json").write_bytes(marker)
    with pytest.raises(NotTheStore):
        store.write(make_state(2), about())


@pytest.mark.parametrize("kind", [Mount, ReadOnly])
def test_what_cannot_be_written_is_written_when_it_can(
    tmp_path: Path, store: Store, kind: type[Mount], monkeypatch: pytest.MonkeyPatch
) -> None:
    mount, before = kind(tmp_path / "store"), files_of(tmp_path / "store")
    monkeypatch.setattr(writer, "AGAIN_SECONDS", 0.05)
    heard = Heard()
    writing = heard.writer(store)
    mount.unmount()
    for step in (2, 3):
        submit(writing, step)
        assert writing.drain(20)
    submit(writing, 4, kind="manual")  # who asked is told at once, and may ask again
    assert writing.drain(20)
    assert (set(heard.delayed), heard.skipped, [step for step, _ in heard.errors]) == ({2, 3}, [2], [4])
    assert heard.durable == []
    assert files_of(mount.root) == (before if kind is ReadOnly else [])
    mount.mount()
    wait_until(lambda: heard.durable == [3])
    assert writing.close(20)
    assert {manifest.step for manifest in store.manifests(RUN)} == {1, 3}


def test_what_could_not_be_written_to_the_end_is_said(
    mount: Mount, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "AWAY_SECONDS", 0.0)
    heard = Heard()
    writing = heard.writer(store)
    mount.unmount()
    submit(writing, 2)
    assert writing.close(20)
    assert [step for step, _ in heard.errors] == [2]
    assert heard.durable == []


def test_repair_does_nothing_in_a_bare_folder(mount: Mount, store: Store) -> None:
    health = check(store.folder)
    mount.unmount()
    with pytest.raises(StoreUnavailable):
        repair(store.folder, health, NOW)
    assert list(mount.root.iterdir()) == []
