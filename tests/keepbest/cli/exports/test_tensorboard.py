"""`keepbest export tensorboard` against the real tracker: what is written is read back."""

from __future__ import annotations

from pathlib import Path

import pytest

from keepbest.cli.common.errors import Exit
from keepbest.contract.runs import RecipeSource, RunRequest
from keepbest.foreign.foreign_run import ForeignFile, ForeignRun, Points, Resumption
from keepbest.foreign.tensorboard.log_folder import read_log_folder
from tests.keepbest.cli.conftest import Run as Keepbest
from tests.support.live import FakeWorker, Live

pytestmark = pytest.mark.usefixtures("signed_in")


def train(live: Live, worker: FakeWorker, name: str = "first", *, notes: str = "") -> str:
    """A run whose second segment leaves the first behind step 2."""
    with live.client() as client:
        request = RunRequest(source=RecipeSource(name="hvass-cnn"), name=name, project="digits")
        run = client.submit(request.model_copy(update={"parameters": {"units": 8}, "notes": notes})).id
    worker.claim()
    for segment, steps, values in ((0, [1, 2, 3, 4], [0.5, 0.125, 1 / 3, 0.75]), (1, [3, 4], [0.25, float("nan")])):
        if segment:
            opened = {"number": 1, "parent": 0, "reason": "roll_back", "start_step": 2, "at": "2026-01-01T00:00:00Z"}
            worker.say(segments=[opened])
        times = [1_700_000_000.0 + 10 * segment + step for step in steps]
        column = {"key": "loss", "steps": steps, "values": values, "times": times}
        worker.say(columns=[{"segment": segment, **column}])
    return run


def show(run: ForeignRun) -> str:
    parts = [
        (part.key, part.steps.tolist(), part.values.tolist()) if isinstance(part, Points) else type(part).__name__
        for part in run.parts()
    ]
    return repr(parts)


def test_a_run_is_read_back(keepbest: Keepbest, live: Live, worker: FakeWorker, tmp_path: Path) -> None:
    run = train(live, worker, notes="some *notes*")
    told = keepbest("export", "tensorboard", run[:6], "--to", tmp_path / "logs")
    assert told.out == f"6 points of 1 run written to {tmp_path / 'logs'}.\n"
    (back,) = read_log_folder(tmp_path / "logs")
    assert back.name == "first-1"
    assert back.parameters["units"] == 8
    (notes,) = [part for part in back.parts() if isinstance(part, ForeignFile)]
    assert notes.open().read() == b"some *notes*"
    assert "('loss', [1, 2, 3, 4], [0.5, 0.125, 0.3333333432674408, 0.75])" in show(back)
    assert f"'{Resumption.__name__}', ('loss', [3, 4], [0.25, nan])" in show(back)


def test_what_is_there_stays_unless_forced(keepbest: Keepbest, live: Live, worker: FakeWorker, tmp_path: Path) -> None:
    run = train(live, worker, "a/b: *c")
    assert keepbest("export", "tensorboard", run, "--to", tmp_path, "--json").json["points"] == 6
    (folder,) = tmp_path.glob("*-1")
    assert folder.name == "a_b_ _c-1"
    (folder / "mine").write_text("mine")
    told = keepbest("export", "tensorboard", run, "--to", tmp_path)
    assert told.status == Exit.USAGE
    assert "is there already" in told.err
    assert keepbest("export", "tensorboard", run, "--to", tmp_path, "--force").status == Exit.OK
    assert sorted(path.name[-8:] for path in folder.iterdir()) == ["keepbest", "keepbest", "mine"]
    assert keepbest("export", "tensorboard", "zzzz", "--to", tmp_path).status != Exit.OK
