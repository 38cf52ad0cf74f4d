"""Database and store collected together, killed between the two, and pins that lie in both."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from keepbest.checkpoint import Store
from keepbest.errors import Conflict, NotFound
from keepbest.status import RunState
from tests.support.states import OTHER_RUN, about, make_state
from tests.support.store import NOW, add_checkpoint, begin, claim, release, submit
from tracker import db
from tracker.db import Engine
from tracker.scheduler import jobs
from tracker.services import gc
from tracker.settings import TrackerSettings
from tracker.store import checkpoints, deletions, project_deletions, retention, runs, storage

VALUES = {100: 0.5, 200: 0.9, 300: 0.7}


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """What is tested here does not depend on the database."""
    return sqlite_url


@pytest.fixture
def ended(engine: Engine, store: Store) -> tuple[str, dict[int, str]]:
    """A run that ended with three checkpoints, in the database and in the store."""
    with db.write(engine) as conn:
        submit(conn, mode="max")
        taken = claim(conn)
        run, ids = begin(conn, taken), {}
        for step, value in VALUES.items():
            written = store.write(make_state(step, step=step), about(run.id, value=value)).manifest
            location = str(store.folder.manifest(run.id, written.id))
            ids[step] = add_checkpoint(conn, run, step=step, value=value, id=written.id, location=location)
        release(conn, taken, "finished")
    return run.id, ids


def sum_deleted(engine: Engine) -> tuple[int, int]:
    """Return what deleted runs take, by the sums of the storage and by the trash."""
    with db.read(engine) as conn:
        rows = storage.list_rows(conn)
        page = storage.list_deleted(conn, keeps=timedelta(0), cursor=None, limit=10)
    return sum(row.deleted_bytes for row in rows), sum(run.bytes for run in page.runs)


def here(store: Store, run: str) -> list[int]:
    return sorted(manifest.step for manifest in store.manifests(run))


def test_the_job_trims_a_run_that_ended(
    settings: TrackerSettings, engine: Engine, store: Store, ended: tuple[str, dict[int, str]]
) -> None:
    run, _ = ended
    store.write(make_state(1), about(OTHER_RUN))  # a script's that was offline
    assert gc.collect_garbage(settings, engine, NOW, dry_run=True).trashed == [(run, ended[1][100])]
    assert here(store, run) == [100, 200, 300]
    assert jobs.collect_checkpoints(settings, engine, NOW).startswith("1 checkpoints to the trash, 0 out of it")
    assert here(store, run) == [200, 300]
    assert jobs.collect_checkpoints(settings, engine, NOW) == ""
    assert jobs.collect_checkpoints(settings, engine, NOW + timedelta(hours=25)).endswith("bytes freed")
    assert len(store.manifests(OTHER_RUN)) == 1


def test_killed_after_the_database_was_told(
    settings: TrackerSettings, engine: Engine, store: Store, ended: tuple[str, dict[int, str]]
) -> None:
    run, _ = ended
    with db.write(engine) as conn:
        retention.drop_superseded(conn, run, NOW)
    assert here(store, run) == [100, 200, 300]
    jobs.collect_checkpoints(settings, engine, NOW)
    assert here(store, run) == [200, 300]


def test_pinning_brings_back_what_was_dropped(
    settings: TrackerSettings, engine: Engine, store: Store, ended: tuple[str, dict[int, str]]
) -> None:
    run, ids = ended
    jobs.collect_checkpoints(settings, engine, NOW)
    back = gc.pin(settings, engine, ids[100], True, NOW)
    assert (back.is_pinned, back.state) == (True, "durable")
    assert here(store, run) == [100, 200, 300]
    jobs.collect_checkpoints(settings, engine, NOW)
    assert here(store, run) == [100, 200, 300]
    gc.pin(settings, engine, ids[100], False, NOW)
    jobs.collect_checkpoints(settings, engine, NOW)
    jobs.collect_checkpoints(settings, engine, NOW + timedelta(hours=25))
    with pytest.raises(NotFound, match="the trash has been emptied"):
        gc.pin(settings, engine, ids[100], True, NOW)


@pytest.mark.parametrize("pinned", [True, False])
def test_the_store_learns_of_pins_that_it_missed(
    settings: TrackerSettings, engine: Engine, store: Store, ended: tuple[str, dict[int, str]], pinned: bool
) -> None:
    run, ids = ended
    store.folder.pin(run, ids[100], not pinned)
    with db.write(engine) as conn:
        checkpoints.pin(conn, ids[100], pinned)
    jobs.collect_checkpoints(settings, engine, NOW)
    assert store.folder.pins(run) == ({ids[100]} if pinned else set())
    assert here(store, run) == ([100, 200, 300] if pinned else [200, 300])


def test_a_deleted_runs_checkpoints_go_through_the_trash(
    settings: TrackerSettings, engine: Engine, store: Store, ended: tuple[str, dict[int, str]]
) -> None:
    run, ids = ended
    gc.pin(settings, engine, ids[100], True, NOW)
    with pytest.raises(Conflict, match="is pinned"), db.write(engine) as conn:
        deletions.delete_run(conn, runs.get_run(conn, run), user="ada", now=NOW)
    gc.pin(settings, engine, ids[100], False, NOW)
    with db.write(engine) as conn:
        deletions.delete_run(conn, runs.get_run(conn, run), user="ada", now=NOW)
    assert len(gc.collect_garbage(settings, engine, NOW).trashed) == 3
    assert here(store, run) == []
    assert sum_deleted(engine) == (30, 30)
    done = gc.collect_garbage(settings, engine, NOW + timedelta(hours=24))
    assert (len(done.emptied), len(done.orphans)) == (3, 3)
    assert sum_deleted(engine) == (0, 0)
    back = gc.undelete(settings, engine, run, user="ada", now=NOW)
    assert (back.back, sorted(back.gone)) == ([], sorted(ids.values()))


def test_what_is_back_in_time_counts_again(
    settings: TrackerSettings, engine: Engine, store: Store, ended: tuple[str, dict[int, str]]
) -> None:
    run, ids = ended
    with db.write(engine) as conn:
        deletions.delete_run(conn, runs.get_run(conn, run), user="ada", now=NOW)
    gc.collect_garbage(settings, engine, NOW)
    assert sorted(gc.undelete(settings, engine, run, user="ada", now=NOW).back) == sorted(ids.values())
    gc.collect_garbage(settings, engine, NOW, dry_run=True)
    with db.read(engine) as conn:
        assert [(row.bytes, row.deleted_bytes) for row in storage.list_rows(conn)] == [(30, 0)]


def test_files_that_somebody_removed_are_noted_as_gone(
    settings: TrackerSettings, engine: Engine, store: Store, ended: tuple[str, dict[int, str]]
) -> None:
    run, ids = ended
    with db.write(engine) as conn:
        deletions.delete_run(conn, runs.get_run(conn, run), user="ada", now=NOW)
    store.folder.manifest(run, ids[200]).unlink()
    gc.collect_garbage(settings, engine, NOW, dry_run=True)
    assert sum_deleted(engine) == (30, 30)
    gc.collect_garbage(settings, engine, NOW)
    assert sum_deleted(engine) == (20, 20)


def test_a_damaged_manifest_is_told(
    settings: TrackerSettings, engine: Engine, store: Store, ended: tuple[str, dict[int, str]]
) -> None:
    run, ids = ended
    store.folder.manifest(run, ids[200]).write_bytes(b"")
    assert "run keepbest fsck" in jobs.collect_checkpoints(settings, engine, NOW)


def test_a_deleted_project_brings_its_files_back(
    settings: TrackerSettings, engine: Engine, store: Store, ended: tuple[str, dict[int, str]]
) -> None:
    run, ids = ended
    with db.write(engine) as conn:
        name = str(runs.get_run(conn, run).project)
        assert project_deletions.delete_project(conn, name, user="ada", now=NOW) == 1
    gc.collect_garbage(settings, engine, NOW)
    assert here(store, run) == []
    back = gc.undelete_project(settings, engine, name, user="ada", now=NOW)
    assert (back.runs, back.gone, back.project.runs) == (1, 0, 1)
    assert here(store, run) == sorted(ids)


def test_a_project_comes_back_after_a_kill_between_its_runs(
    settings: TrackerSettings,
    engine: Engine,
    ended: tuple[str, dict[int, str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with db.write(engine) as conn:
        name = str(runs.get_run(conn, ended[0]).project)
        other = submit(conn, project=name)
        runs.move_run(conn, other, RunState.CANCELLED, now=NOW)
        project_deletions.delete_project(conn, name, user="ada", now=NOW)
    with monkeypatch.context() as killed:
        killed.setattr(gc, "undelete", kill_at(other.id))
        with pytest.raises(KeyboardInterrupt):
            gc.undelete_project(settings, engine, name, user="ada", now=NOW)
    back = gc.undelete_project(settings, engine, name, user="ada", now=NOW)
    assert (back.runs, back.project.runs) == (1, 2)


def kill_at(run: str) -> Any:
    """Return `gc.undelete`, which is killed at this run."""
    undelete = gc.undelete

    def undelete_until(settings: TrackerSettings, engine: Engine, reference: str, **how: Any) -> Any:
        if reference == run:
            raise KeyboardInterrupt
        return undelete(settings, engine, reference, **how)

    return undelete_until


def test_a_project_says_how_many_files_are_gone(
    settings: TrackerSettings, engine: Engine, ended: tuple[str, dict[int, str]]
) -> None:
    run, ids = ended
    with db.write(engine) as conn:
        name = str(runs.get_run(conn, run).project)
        project_deletions.delete_project(conn, name, user="ada", now=NOW)
    late = NOW + timedelta(hours=settings.trash_hours + 1)
    gc.collect_garbage(settings, engine, NOW)
    gc.collect_garbage(settings, engine, late)
    back = gc.undelete_project(settings, engine, name, user="ada", now=late)
    assert (back.runs, back.gone) == (1, len(ids))
