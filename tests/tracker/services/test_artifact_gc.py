"""Artifacts in database and store collected together: deleted, replaced, brought back, and killed between the two."""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from keepbest.checkpoint import Store
from keepbest.checkpoint.files import artifacts as files
from keepbest.checkpoint.upkeep import fsck
from keepbest.checkpoint.upkeep.gc import GRACE
from keepbest.contract.artifacts import Artifact
from keepbest.contract.base import new_id
from keepbest.errors import Busy
from tests.support.states import OTHER_RUN
from tests.support.store import ADA, NOW, begin, claim, release, submit
from tracker import db
from tracker.db import Engine
from tracker.scheduler import jobs
from tracker.services import gc
from tracker.services.artifacts import ArtifactIntake, Upload
from tracker.settings import TrackerSettings
from tracker.store import artifacts, deletions, runs, storage


@pytest.fixture
def ended(engine: Engine) -> str:
    with db.write(engine) as conn:
        submit(conn, mode="max")
        taken = claim(conn)
        run = begin(conn, taken)
        release(conn, taken, "finished")
    return str(run.id)


@pytest.fixture
def with_files(settings: TrackerSettings, engine: Engine, ended: str) -> str:
    """The ended run, with three versions of one artifact and one of another."""
    for path, data in (("a", b"1"), ("a", b"2"), ("a", b"3"), ("b", b"1")):
        take(settings, engine, ended, path, data)
    return ended


def take(settings: TrackerSettings, engine: Engine, run: str, path: str, data: bytes) -> Artifact:
    upload = Upload(
        run=run, path=path, kind="file", media_type="text/plain", pieces=[data], length=len(data), digest=None,
        is_known=False, lease="",
    )  # fmt: skip
    return ArtifactIntake(settings, engine).take(upload, ADA, NOW)


def test_the_same_bytes_lose_no_race_against_other_bytes(
    settings: TrackerSettings, engine: Engine, ended: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sender was refused for good, and its file, the newest one, never became the current version."""
    take(settings, engine, ended, "a", b"1")
    keep = files.keep

    def keep_late(*place: Any) -> int:
        monkeypatch.setattr(files, "keep", keep)
        take(settings, engine, ended, "a", b"2")
        return keep(*place)

    monkeypatch.setattr(files, "keep", keep_late)
    with pytest.raises(Busy):
        take(settings, engine, ended, "a", b"1")
    assert take(settings, engine, ended, "a", b"1").version == 3


def artifacts_of(engine: Engine, run: str) -> list[tuple[str, int]]:
    with db.read(engine) as conn:
        page = artifacts.list_artifacts(conn, runs.get_run(conn, run), versions=True, limit=100)
    return [(artifact.path, artifact.version) for artifact in page.artifacts]


def delete(engine: Engine, run: str) -> None:
    with db.write(engine) as conn:
        deletions.delete_run(conn, runs.get_run(conn, run), user="ada", now=NOW)


def test_a_deleted_runs_artifacts_come_back(
    settings: TrackerSettings, engine: Engine, store: Store, with_files: str
) -> None:
    delete(engine, with_files)
    assert len(gc.collect_garbage(settings, engine, NOW).trashed_artifacts) == 4
    assert list(files.marks(store.folder)) == []
    back = gc.undelete(settings, engine, with_files, user="ada", now=NOW)
    assert (back.artifacts, back.lost_artifacts) == (4, 0)
    assert artifacts_of(engine, with_files) == [("a", 3), ("a", 2), ("a", 1), ("b", 1)]
    assert gc.collect_garbage(settings, engine, NOW + timedelta(days=3)).trashed_artifacts == []
    assert fsck.check(store.folder).is_whole


def test_lost_artifacts_of_a_deleted_run_are_counted(
    settings: TrackerSettings, engine: Engine, store: Store, with_files: str
) -> None:
    delete(engine, with_files)
    gc.collect_garbage(settings, engine, NOW)
    done = gc.collect_garbage(settings, engine, NOW + timedelta(hours=25))
    assert len(done.emptied_artifacts) == 4
    assert len([name for name in done.orphans if name.endswith(".file")]) == 3
    with db.read(engine) as conn:
        assert "artifact" not in [row.kind for row in storage.list_rows(conn)]
    back = gc.undelete(settings, engine, with_files, user="ada", now=NOW)
    assert (back.artifacts, back.lost_artifacts) == (0, 2)
    assert artifacts_of(engine, with_files) == []


def test_deleted_artifacts_go_with_the_garbage(
    settings: TrackerSettings, engine: Engine, store: Store, with_files: str
) -> None:
    with db.write(engine) as conn:
        artifacts.delete_artifact(conn, runs.get_run(conn, with_files), "a", user="ada", now=NOW)
    assert "3 artifacts to it" in jobs.collect_checkpoints(settings, engine, NOW)
    jobs.collect_checkpoints(settings, engine, NOW + timedelta(hours=25))
    assert [mark.digest for mark in files.marks(store.folder)] == [hashlib.sha256(b"1").hexdigest()]
    assert len(list(store.folder.root.glob("objects/*/*.file"))) == 1


def test_a_manifest_without_a_row_goes_when_it_is_old(
    settings: TrackerSettings, engine: Engine, store: Store, with_files: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after a kill between the manifest and the row. That of another tracker's run stays."""
    manifests = [mark.path for mark in files.marks(store.folder)]
    with monkeypatch.context() as patched:
        patched.setattr(artifacts, "add_artifact", kill)
        patched.setattr(Path, "unlink", kill)
        with pytest.raises(SystemExit):
            take(settings, engine, with_files, "c", b"4")
    stranger = describe(OTHER_RUN, b"1")
    files.adopt(store.folder, stranger)
    moment = datetime.now().astimezone()
    assert gc.collect_garbage(settings, engine, moment).trashed_artifacts == []
    (gone,) = gc.collect_garbage(settings, engine, moment + 2 * GRACE).trashed_artifacts
    assert gone[0] == with_files
    left = {mark.path for mark in files.marks(store.folder)}
    assert left == {*manifests, files.locate(store.folder, OTHER_RUN, stranger.id, stranger.digest)}


def kill(*_: object, **__: object) -> None:
    raise SystemExit


def describe(run: str, data: bytes) -> files.ArtifactManifest:
    facts = {"id": new_id(), "run": run, "path": "x", "media_type": "text/plain", "kind": "file", "at": NOW}
    digest = hashlib.sha256(data).hexdigest()
    return files.ArtifactManifest.model_validate({**facts, "digest": digest, "size_bytes": len(data)})
