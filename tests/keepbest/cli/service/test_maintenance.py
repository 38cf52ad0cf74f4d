"""`gc` and `fsck` as a user meets them: a tracker, its store, and a disk that forgets."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest

from keepbest.checkpoint import CheckpointInfo, Store
from keepbest.cli.common.errors import Exit
from keepbest.contract.runs import RecipeSource, RunRequest
from tests.keepbest.cli.conftest import Run as Keepbest
from tests.support.live import Live
from tests.support.states import RUN, about, files_of, flip, make_state


@pytest.fixture
def signed_in(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEEPBEST_URL", live.url)
    monkeypatch.setenv("KEEPBEST_TOKEN", live.admin)


@pytest.fixture
def alone(home: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """A store in the folder of the test, and no tracker anywhere."""
    monkeypatch.setenv("KEEPBEST_URL", "http://127.0.0.1:9")
    store = Store(home / "store")
    for seed in (1, 2):
        store.write(make_state(seed), about())
    return store


def train(live: Live) -> list[str]:
    """Let a worker write three checkpoints that it drops none of, and end; return their ids."""
    worker, ids = live.add_worker(), []
    with live.client() as client:
        client.submit(RunRequest(source=RecipeSource(name="hvass-cnn")))
    worker.claim()
    for step, value in ((100, 0.7), (200, 0.9), (300, 0.8)):
        told = CheckpointInfo(run=worker.run, at=datetime.now(UTC), value=value, mode="max")
        written = Store(live.folder / "store").write(make_state(step, step), told)
        worker.checkpoint(step, value, id=written.manifest.id, digest=written.digest, location=str(written.location))
        ids.append(written.manifest.id)
    worker.finish()
    worker.client.close()
    return [worker.run, *ids]


@pytest.mark.usefixtures("signed_in")
def test_gc_says_and_does(keepbest: Keepbest, live: Live) -> None:
    run, first, second, third = train(live)
    dry = keepbest("gc", "--dry-run")
    assert (dry.status, f"{run}  {first}" in dry.out, "would be freed" in dry.out) == (Exit.OK, True, True)
    assert keepbest("gc", "--json").json["trashed"] == [{"run": run, "checkpoint": first}]
    assert "Nothing to drop" in keepbest("gc").out
    assert set(Store(live.folder / "store").checkpoints(run)) == {second, third}
    assert "pinned" in keepbest("checkpoints", run, "--pin", first).out  # and there it is again
    assert set(Store(live.folder / "store").checkpoints(run)) == {first, second, third}
    refused = keepbest("rm", run, "--yes")
    assert (refused.status, f"--unpin {first}" in refused.err) == (Exit.ERROR, True)


@pytest.mark.usefixtures("signed_in")
def test_fsck_misses_what_the_tracker_knows(keepbest: Keepbest, live: Live) -> None:
    run, first, *_ = train(live)
    whole = keepbest("fsck", "--store", live.folder / "store")
    assert (whole.status, "all is what was written" in whole.out) == (Exit.OK, True)
    Store(live.folder / "store").folder.manifest(run, first).unlink()
    found = keepbest("fsck", "--store", live.folder / "store", "--json")
    assert found.status == Exit.ERROR
    assert [(one["kind"], one["checkpoints"]) for one in found.json["findings"]] == [
        ("orphan", []),
        ("missing", [first]),
    ]


@pytest.mark.usefixtures("signed_in")
def test_fsck_misses_a_run_whose_whole_folder_is_gone(
    keepbest: Keepbest, live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing in the store tells of it, and it may be on any page of the tracker's list."""
    monkeypatch.setattr("keepbest.cli.service.maintenance._RUNS_A_PAGE", 1)
    gone, *ids = train(live)
    kept, *_ = train(live)
    shutil.rmtree(live.folder / "store" / "runs" / gone)
    found = keepbest("fsck", "--store", live.folder / "store", "--json")
    missing = [one for one in found.json["findings"] if one["kind"] == "missing"]
    assert found.status == Exit.ERROR
    assert sorted(one["checkpoints"] for one in missing) == sorted([id] for id in ids)
    assert all(one["path"].startswith(f"runs/{gone}/") for one in missing)
    assert kept not in str(missing)


def test_fsck_without_a_tracker(keepbest: Keepbest, alone: Store) -> None:
    whole = keepbest("fsck")
    assert (whole.status, "The tracker cannot be asked" in whole.err) == (Exit.OK, True)
    assert "does not notice a checkpoint whose manifest or folder is gone" in " ".join(whole.err.split())
    flip(alone.folder.manifest(RUN, alone.checkpoints(RUN)[0]), 300)
    found = keepbest("fsck")
    assert (found.status, "1 faults" in found.out, "--repair" in found.err) == (Exit.ERROR, True, True)
    before = len(files_of(alone.folder.root))
    mended = keepbest("fsck", "--repair")
    assert (mended.status, "1 file moved aside" in mended.out) == (Exit.OK, True)
    assert len(files_of(alone.folder.root)) == before
    assert keepbest("fsck").status == Exit.OK


def test_fsck_of_nothing(keepbest: Keepbest, tmp_path: Path) -> None:
    assert keepbest("fsck", "--store", tmp_path / "none").status == Exit.NOT_FOUND
