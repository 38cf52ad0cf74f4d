"""`keepbest import tensorboard|wandb|csv|json` against the real tracker."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from keepbest.cli.common.errors import Exit
from keepbest.cli.imports import readers
from keepbest.foreign.tensorboard.writer import EventWriter
from tests.keepbest.cli.conftest import Run as Keepbest
from tests.support.live import Live

pytestmark = pytest.mark.usefixtures("signed_in")

RECORDED = Path(__file__).parents[2] / "foreign" / "recorded"


def test_a_training_of_keras_comes_in_once(keepbest: Keepbest, live: Live) -> None:
    first = keepbest("import", "tensorboard", RECORDED / "keras", "--json").json["runs"][0]
    assert (first["status"], first["name"], first["project"]) == ("new", "keras", "keras")
    assert (first["monitor"], first["mode"], first["validations"]) == ("val_loss", "min", 4)
    assert (first["best_step"], first["points"]) == (3, 28)
    again = keepbest("import", "tensorboard", RECORDED / "keras", "--json").json["runs"][0]
    assert (again["status"], again["run"], again["new_points"]) == ("there", first["run"], 0)
    with live.client() as client:
        run = client.run(first["run"])
        assert (run.state.value, run.best_step) == ("finished", 3)
        assert run.started_at is not None
        assert run.started_at.year == 2026


def test_texts_and_images_become_artifacts(keepbest: Keepbest, live: Live) -> None:
    told = keepbest("import", "tensorboard", RECORDED / "tensorboardx", "--project", "p", "--json").json["runs"][0]
    assert (told["monitor"], told["validations"], told["files"]) == ("loss/val", 4, 2)
    assert told["left_out"] == ["1 histograms: they are no artifacts."]
    with live.client() as client:
        kinds = {artifact.path: artifact.kind for artifact in client.files.list(told["run"]).artifacts}
        assert kinds == {"images/pic/00000002.png": "image", "text/note/text_summary/00000002.txt": "text"}
        assert len(client.segments(told["run"]).segments) == 2


def test_a_table_says_what_became_of_each_run(keepbest: Keepbest) -> None:
    looked = keepbest("import", "tensorboard", RECORDED / "keras", "--dry-run")
    assert "1 run would come: 28 points" in looked.out
    told = keepbest("import", "tensorboard", RECORDED / "keras")
    assert "val_loss min (guessed)" in told.out
    assert "1 run came: 28 points" in told.out


@pytest.mark.parametrize(("monitor", "mode", "best"), [("val_accuracy", "max", 0), ("accuracy", "max", 1)])
def test_a_monitor_that_is_named_has_its_own_way(keepbest: Keepbest, monitor: str, mode: str, best: int) -> None:
    told = keepbest("import", "tensorboard", RECORDED / "keras", "--monitor", monitor, "--json").json["runs"][0]
    assert (told["monitor"], told["mode"], told["is_guessed"], told["best_step"]) == (monitor, mode, False, best)


def test_what_a_writer_adds_is_followed(
    keepbest: Keepbest, live: Live, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = EventWriter(tmp_path / "run", at=1.0)
    writer.add_scalar("val_loss", step=1, value=0.5, at=1000.0)
    writer.flush()
    rounds = iter([0.25, None])

    def write_on(_: float) -> None:
        value = next(rounds)
        if value is None:
            raise KeyboardInterrupt
        writer.add_scalar("val_loss", step=2, value=value, at=1001.0)
        writer.flush()

    monkeypatch.setattr(readers, "rest", write_on)
    told = keepbest("import", "tensorboard", tmp_path, "--watch")
    writer.close()
    assert "grown" in told.out
    assert "0.25 @ 2" in told.out
    assert keepbest("ls", "--json").json["runs"][0]["validations"] == 2


def test_a_run_of_wandb_comes_in(keepbest: Keepbest, live: Live) -> None:
    told = keepbest("import", "wandb", RECORDED / "wandb", "--json").json["runs"][0]
    assert (told["project"], told["name"], told["monitor"], told["mode"]) == ("digits", "first", "val/loss", "min")
    assert (told["best_step"], told["best_value"]) == (20, 0.25)
    with live.client() as client:
        run = client.run(told["run"])
    assert run.spec.parameters["opt.name"] == "adam"
    assert run.notes == "some notes"


def test_csv_and_json_files_come_in(keepbest: Keepbest, tmp_path: Path) -> None:
    table, history = tmp_path / "log.csv", tmp_path / "history.json"
    table.write_text("n,loss,val_loss\n1,1,0.9\n2,1,0.5\n1,1,0.7\n2,1,0.4\n")
    history.write_text(json.dumps({"val_accuracy": [0.5, 0.75, float("nan")]}))
    told = keepbest("import", "csv", table, "--step", "n", "-p", "files", "--json").json["runs"][0]
    assert (told["points"], told["validations"], told["best_value"]) == (8, 4, 0.4)
    told = keepbest("import", "json", history, "-p", "files", "--json").json["runs"][0]
    assert (told["monitor"], told["mode"], told["best_step"]) == ("val_accuracy", "max", 1)


def test_a_run_that_cannot_come_is_told(keepbest: Keepbest, tmp_path: Path) -> None:
    table = tmp_path / "log.csv"
    table.write_text("epoch,val_loss\n0,0.5\n1,0.4\n")
    keepbest("import", "csv", table, "-p", "files")
    table.write_text("epoch,val_loss\n0,0.6\n")
    told = keepbest("import", "csv", table, "-p", "files")
    assert told.status == Exit.ERROR
    assert "left out" in told.out
    assert "was written anew since it was imported" in told.err
    missing = keepbest("import", "csv", tmp_path / "gone.csv")
    assert "There is no file" in missing.err
    assert missing.status != Exit.OK
