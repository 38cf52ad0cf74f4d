"""Artifacts in the store: received whole or not at all, shared by content, kept from the collector, checked by fsck."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest

from keepbest.checkpoint import Store
from keepbest.checkpoint.files import artifacts, trash
from keepbest.checkpoint.files.artifacts import ArtifactManifest
from keepbest.checkpoint.files.folder import Folder
from keepbest.checkpoint.upkeep import fsck
from keepbest.checkpoint.upkeep.gc import GRACE, TRASH_AGE, collect
from keepbest.contract.base import new_id
from keepbest.errors import InvalidInput, NotFound, TooLarge
from tests.support.states import OTHER_RUN, RUN, about, files_of, flip, make_state

NOW = datetime.now().astimezone()


@pytest.fixture
def folder(tmp_path: os.PathLike[str]) -> Folder:
    return Store(os.path.join(tmp_path, "store")).folder


def describe(data: bytes, run: str = RUN) -> ArtifactManifest:
    digest = hashlib.sha256(data).hexdigest()
    facts = {"id": new_id(), "run": run, "path": "a/b.txt", "media_type": "text/plain", "kind": "text", "at": NOW}
    return ArtifactManifest.model_validate({**facts, "digest": digest, "size_bytes": len(data)})


def put(folder: Folder, data: bytes, run: str = RUN) -> ArtifactManifest:
    manifest = describe(data, run)
    with artifacts.receive(folder, [data[:3], data[3:]], 100) as received:
        assert (received.digest, received.size_bytes) == (manifest.digest, len(data))
        artifacts.keep(folder, received, manifest)
    return manifest


def names(folder: Folder, room: str) -> list[str]:
    return sorted(path.name for path in files_of(folder.root) if path.relative_to(folder.root).parts[0] == room)


def test_equal_files_are_stored_once(folder: Folder) -> None:
    first, second = put(folder, b"hello"), put(folder, b"hello", OTHER_RUN)
    assert names(folder, "objects") == [f"{first.digest}.file"]
    assert {(mark.run, mark.artifact) for mark in artifacts.marks(folder)} == {(RUN, first.id), (OTHER_RUN, second.id)}
    assert artifacts.read_manifest(artifacts.locate(folder, RUN, first.id, first.digest)) == first
    assert names(folder, "incoming") == []


def test_what_breaks_off_leaves_nothing(folder: Folder) -> None:
    def broken() -> Iterator[bytes]:
        yield b"half"
        raise ConnectionError

    with pytest.raises(ConnectionError), artifacts.receive(folder, broken(), 100):
        raise AssertionError
    with pytest.raises(TooLarge), artifacts.receive(folder, [b"x" * 101], 100):
        raise AssertionError
    assert (names(folder, "incoming"), names(folder, "objects")) == ([], [])


def test_a_killed_upload_is_swept_when_it_is_old(folder: Folder) -> None:
    put(folder, b"hello")
    left = folder.root / "incoming" / "left.file"
    left.write_bytes(b"half")
    assert artifacts.sweep_incoming(folder, NOW - GRACE) == 0
    with artifacts.receive(folder, [b"x"], 100):
        assert artifacts.sweep_incoming(folder, NOW + GRACE) == 1
        assert len(names(folder, "incoming")) == 1
    assert not left.exists()


def test_an_unknown_content_is_not_adopted(folder: Folder) -> None:
    with pytest.raises(NotFound):
        artifacts.adopt(folder, describe(b"hello"))
    put(folder, b"hello")
    artifacts.adopt(folder, describe(b"hello", OTHER_RUN))
    assert len(list(artifacts.marks(folder))) == 2
    with pytest.raises(NotFound):
        artifacts.adopt(folder, describe(b"hello").model_copy(update={"size_bytes": 4}))


@pytest.mark.parametrize("name", ["..", "a" * 11, "/etc", "a" * 12 + "\n"])
def test_no_hostile_name_makes_a_path(folder: Folder, name: str) -> None:
    for given in ((name, "a" * 12, "a" * 64), ("a" * 12, name, "a" * 64), ("a" * 12, "a" * 12, name)):
        with pytest.raises(InvalidInput):
            artifacts.locate(folder, *given)


def test_the_collector_keeps_what_an_artifact_needs(folder: Folder) -> None:
    manifest, other = put(folder, b"hello"), put(folder, b"hello", OTHER_RUN)
    marks = {mark.artifact: mark for mark in artifacts.marks(folder)}
    done = collect(folder, doomed_artifacts=[marks[manifest.id]], now=NOW, grace=timedelta(0))
    assert (done.trashed_artifacts, done.orphans, done.waiting_bytes) == ([(RUN, manifest.id)], [], 0)
    later = NOW + TRASH_AGE
    done = collect(folder, doomed_artifacts=[marks[other.id]], now=later, grace=timedelta(0))
    assert (done.emptied_artifacts, done.orphans, done.waiting_bytes > 0) == ([(RUN, manifest.id)], [], True)
    done = collect(folder, now=later + TRASH_AGE)
    assert (done.emptied_artifacts, done.orphans) == ([(OTHER_RUN, other.id)], [f"{manifest.digest}.file"])
    assert names(folder, "objects") == []


def test_a_dry_run_of_artifacts_removes_nothing(folder: Folder) -> None:
    put(folder, b"hello")
    marks, before = list(artifacts.marks(folder)), files_of(folder.root)
    dry = collect(folder, doomed_artifacts=marks, now=NOW, dry_run=True)
    assert files_of(folder.root) == before
    assert dry == collect(folder, doomed_artifacts=marks, now=NOW)


def test_an_artifact_comes_back_from_the_trash(folder: Folder) -> None:
    manifest = put(folder, b"hello")
    (mark,) = artifacts.marks(folder)
    assert trash.put_file(folder, mark.path, NOW)
    assert list(artifacts.marks(folder)) == []
    assert (list(trash.items(folder)), len(list(artifacts.trashed_marks(folder)))) == ([], 1)
    assert artifacts.undo(folder, OTHER_RUN, [manifest.id]) == []
    assert artifacts.undo(folder, RUN, [manifest.id]) == [manifest.id]
    assert list(artifacts.marks(folder)) == [mark]


def test_a_file_that_nothing_names_goes_when_it_is_old(folder: Folder) -> None:
    manifest = put(folder, b"hello")
    artifacts.locate(folder, RUN, manifest.id, manifest.digest).unlink()
    assert collect(folder, now=NOW).orphans == []
    assert collect(folder, now=NOW + 2 * GRACE).orphans == [f"{manifest.digest}.file"]


def test_checkpoints_and_artifacts_do_not_meet(folder: Folder) -> None:
    store = Store(folder.root)
    kept = store.write(make_state(1), about(RUN)).manifest
    put(folder, b"hello")
    assert store.checkpoints(RUN) == [kept.id]
    assert store.drop(RUN, kept.id)
    assert fsck.check(folder).findings == []


def test_fsck_names_the_artifacts_that_are_lost(folder: Folder) -> None:
    damaged, gone, whole = put(folder, b"damaged"), put(folder, b"gone"), put(folder, b"whole")
    expected = [(RUN, manifest.id) for manifest in (damaged, gone, whole)]
    health = fsck.check(folder, expected_artifacts=expected)
    assert (health.artifacts, health.findings) == (3, [])
    flip(folder.content(damaged.digest, ".file"), 2)
    folder.content(gone.digest, ".file").unlink()
    health = fsck.check(folder, expected_artifacts=expected)
    assert {(finding.kind, finding.artifacts) for finding in health.findings} == {
        ("damaged", (damaged.id,)), ("missing", (gone.id,)),
    }  # fmt: skip
    fsck.repair(folder, health, NOW)
    assert [mark.artifact for mark in artifacts.marks(folder)] == [whole.id]
    assert fsck.check(folder).is_whole
    lost = [finding.artifacts for finding in fsck.check(folder, expected_artifacts=expected).findings]
    assert sorted(lost) == sorted([(damaged.id,), (gone.id,)])


def test_fsck_sees_damaged_and_misplaced_manifests(folder: Folder) -> None:
    damaged, moved = put(folder, b"damaged"), put(folder, b"moved")
    flip(artifacts.locate(folder, RUN, damaged.id, damaged.digest), 120)
    path = artifacts.locate(folder, RUN, moved.id, moved.digest)
    path.rename(path.with_name(path.name.replace(moved.id, new_id())))
    (folder.root / "artifacts" / RUN / "notes.txt").write_text("mine")
    kinds = sorted(finding.kind for finding in fsck.check(folder).findings)
    assert kinds == ["damaged", "leftover", "misplaced"]
