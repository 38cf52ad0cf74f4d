"""`checkpoint show` and `checkpoint diff`, on the store here and through the tracker."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from keepbest.checkpoint import CheckpointInfo, Store
from keepbest.cli.common.errors import Exit
from keepbest.contract.runs import RecipeSource, RunRequest
from tests.keepbest.cli.conftest import Run as Keepbest
from tests.support.live import Live
from tests.support.states import about, make_state


@pytest.fixture
def ids(home: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Two checkpoints in the folder of the test, and no tracker anywhere."""
    monkeypatch.setenv("KEEPBEST_URL", "http://127.0.0.1:9")
    store = Store(home / "store")
    return [store.write(make_state(seed, step=seed, frozen=5), about()).manifest.id for seed in (1, 2)]


def test_show(keepbest: Keepbest, ids: list[str]) -> None:
    lines = keepbest("checkpoint", "show", ids[0]).out.splitlines()
    assert lines[0].startswith(f"checkpoint {ids[0]} of run rrrrrrrrrrrr, step 1")
    assert lines[2].split()[:4] == ["model/net/base/kernel", "[64,", "65]", "float32"]
    assert len(keepbest("checkpoint", "show", ids[0], "--json").json["variables"]) == 6


def test_show_one(keepbest: Keepbest, ids: list[str]) -> None:
    shown = keepbest("checkpoint", "show", ids[1], "--variable", "seed_generator/seed_generator_state")
    assert shown.out.splitlines()[-1] == "[2 7]"
    said = ["--variable", "net/head/kernel", "--slice", "0:2,3"]
    assert len(keepbest("checkpoint", "show", ids[1], *said, "--json").json["values"]) == 2
    assert keepbest("checkpoint", "show", ids[1], "--slice", "0").status == Exit.USAGE
    assert keepbest("checkpoint", "show", ids[1], "--variable", "nope").status == Exit.NOT_FOUND


def test_diff(keepbest: Keepbest, ids: list[str]) -> None:
    said = keepbest("checkpoint", "diff", *ids)
    assert "net/base/kernel" not in said.out  # equal
    assert said.out.splitlines()[-1].startswith("3 of 6 variables are equal; ")
    assert "model/net/base/kernel" in keepbest("checkpoint", "diff", *ids, "--all").out
    same = keepbest("checkpoint", "diff", ids[0], ids[0])
    assert same.out == "6 of 6 variables are equal; they are equal to the last bit.\n"
    assert keepbest("checkpoint", "diff", *ids, "--json").json["equal"] is False


def test_a_runs_best_from_the_tracker(keepbest: Keepbest, live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEEPBEST_URL", live.url)
    monkeypatch.setenv("KEEPBEST_TOKEN", live.admin)
    worker = live.add_worker()
    with live.client() as client:
        client.submit(RunRequest(source=RecipeSource(name="hvass-cnn")))
        run = worker.claim().run
        for step, value in ((100, 0.7), (200, 0.9), (300, 0.8)):
            told = CheckpointInfo(run=run, at=datetime.now(UTC), value=value, mode="max", network="{}")
            written = Store(live.folder / "store").write(make_state(step, step), told)
            worker.checkpoint(step, value, id=written.manifest.id, digest=written.digest)
        assert "step 200" in keepbest("checkpoint", "show", run).out
        shown = keepbest("checkpoint", "show", written.manifest.id, "--json").json
        assert shown == client.variables(written.manifest.id).model_dump(mode="json")
        assert shown["step"] == 300
        said = client.values(written.manifest.id, "net/head/kernel", "0:2,:")
        assert (said.shape, len(said.values), said.variable.path) == ([2, 10], 20, "net/head/kernel")
        best = client.run(run).best_checkpoint
        said = keepbest("checkpoint", "diff", run, written.manifest.id, "--json").json
        assert said == client.diff_checkpoints(str(best), written.manifest.id).model_dump(mode="json")
    worker.client.close()
