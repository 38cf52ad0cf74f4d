"""Scripts as people write them for W&B, unchanged but for `import keepbest as wandb`, at a real tracker."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import keepbest
from keepbest.client.client import Client
from keepbest.contract.runs import Run
from keepbest.status import RunState
from keepbest.tracking import current_run
from tests.support.live import Live

Check = Callable[[Client, Run], Any]

LOOP = """
wandb.login()
run = wandb.init(project="shapes", entity="team", name="loop", config={"lr": 0.02, "epochs": 4})
offset = 0.1
for epoch in range(1, wandb.config.epochs + 1):
    run.log({"accuracy": 1 - 2**-epoch - offset, "loss": 2**-epoch + offset})
run.finish()
"""

BLOCK = """
import argparse
arguments = argparse.Namespace(lr=0.1, layers=[8, 8])
with wandb.init(project="shapes", name="block", config=arguments, group="folds", job_type="train", tags=["a"]) as run:
    config = run.config
    config.batch = 32
    config.update({"lr": 0.2}, allow_val_change=True)
    config.setdefaults({"lr": 9, "momentum": 0.9})
    wandb.log({"lr": config.lr, "params": config["batch"] * len(config.layers)})
    assert dict(config) == {"lr": 0.2, "layers": [8, 8], "batch": 32, "momentum": 0.9}
"""

NESTED = """
import numpy as np
wandb.init(project="shapes", name="nested", mode="online")
for step in range(3):
    wandb.log({"train": {"loss": np.float32(0.5), "by": {"class": np.ones(1)}}}, step=step)
    wandb.log({"val": {"loss": 1.0}}, step=step)
wandb.log({"a": 1}, commit=False)
wandb.log({"b": 2})
wandb.finish()
"""

SUMMARY = """
run = wandb.init(project="shapes", name="summary")
run.define_metric("epoch")
run.define_metric("val/*", step_metric="epoch", summary="max")
wandb.define_metric("loss", summary="min,last")
best = 0
for epoch, accuracy in enumerate([0.5, 0.9, 0.7]):
    wandb.log({"epoch": epoch, "loss": 1 - accuracy, "val/accuracy": accuracy})
    if accuracy > best:
        wandb.run.summary["best_accuracy"] = best = accuracy
assert run.summary["val/accuracy"]["max"] == 0.9 and run.summary.loss["last"] == 1 - 0.7
run.summary.update({"test": {"top5": 0.99}, "model": "small"})
wandb.finish()
"""

MEDIA = """
import numpy as np
random = np.random.default_rng(1)
run = wandb.init(project="shapes", name="media")
table = wandb.Table(columns=["id", "guess"])
table.add_data(1, "cat")
run.log({
    "examples": [wandb.Image(random.random((8, 8, 3)), caption="a"), wandb.Image(np.zeros((8, 8), np.uint8))],
    "large": wandb.Image(np.zeros((600, 4, 4), np.uint8)),
    "weights": wandb.Histogram(random.normal(size=100)),
    "ready": wandb.Histogram(np_histogram=np.histogram(random.normal(size=50), bins=300)),
    "array": random.normal(size=(3, 4)),
    "table": table,
    "page": wandb.Html("<p>hello</p>"),
    "sound": wandb.Audio(np.sin(np.arange(100)), sample_rate=8000),
    "confusion": wandb.plot.confusion_matrix(y_true=[0, 1, 1], preds=[0, 1, 0], class_names=["cat", "dog"]),
    "roc": wandb.plot.roc_curve([0, 1], [[0.9, 0.1], [0.2, 0.8]], labels=["cat", "dog"]),
    "line": wandb.plot.line(table, "id", "guess", title="guesses"),
    "note": "the first words",
    "loss": 0.5,
})
run.finish()
"""

FILES = """
import os
run = wandb.init(project="shapes", name="files")
with open("model.h5", "w") as file:
    file.write("weights")
wandb.save("model.h5")
artifact = wandb.Artifact("dataset", type="dataset", metadata={"rows": 3})
artifact.add_file("model.h5", name="data.bin")
with artifact.new_file("notes.txt") as file:
    file.write("three rows")
run.log_artifact(artifact, aliases=["latest"]).wait()
with open(os.path.join(wandb.run.dir, "late.txt"), "w") as file:
    file.write("late")
run.name = "files, renamed"
run.tags = (*run.tags, "late")
run.notes = "seen"
wandb.finish()
"""

ABSENT = """
run = wandb.init(project="shapes", name="absent", sync_tensorboard=True, settings=wandb.Settings(start_method="fork"))
wandb.watch(object(), log="all", log_freq=10)
sweep = wandb.sweep({"method": "random", "parameters": {}}, project="shapes")
wandb.agent(sweep, function=print, count=1)
for old in wandb.Api().runs("team/shapes"):
    raise AssertionError(old)
run.log_code(".")
run.mark_preempting()
wandb.log({"loss": 0.5, "chart": wandb.plot.unheard_of(1), "wrong": object(), "nothing": None})
wandb.alert(title="Low accuracy", text="0.1 is below 0.2", level=wandb.AlertLevel.WARN, wait_duration=300)
try:
    wandb.finish(exit_code=1)
except wandb.Error:
    raise
"""


@pytest.fixture
def client(live: Live, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Client:
    for name, value in {"URL": live.url, "TOKEN": live.admin, "DIR": str(tmp_path), "PROVENANCE": "off"}.items():
        monkeypatch.setenv(f"KEEPBEST_{name}", value)
    monkeypatch.setenv("KEEPBEST_SYSTEM_CURVES", "0")
    monkeypatch.chdir(tmp_path)
    current_run.forget_all()  # an earlier test may have left one
    return live.client()


def play(client: Client, script: str) -> Run:
    """Run a script; return the run that it made."""
    exec(compile(script, "script", "exec"), {"__name__": "script", "wandb": keepbest})  # noqa: S102
    assert keepbest.run is None
    return client.run(next(iter(keepbest.runs())).id)


def read_log(client: Client, run: Run) -> str:
    return "".join(piece.text for piece in client.logs(run.id).pieces)


def test_a_plain_loop_runs(client: Client) -> None:
    run = play(client, LOOP)
    assert (run.project, run.name, run.state) == ("shapes", "loop", RunState.FINISHED)
    assert run.spec.parameters == {"lr": 0.02, "epochs": 4}
    assert client.curve(run.id, "loss").pieces[0].steps == [1, 2, 3, 4]


def test_a_block_with_arguments_runs(client: Client) -> None:
    run = play(client, BLOCK)
    assert run.spec.parameters == {"lr": 0.2, "layers": [8, 8], "batch": 32, "momentum": 0.9}
    assert run.tags == ["group=folds", "job_type=train", "a"]
    assert "configuration changed: lr 0.1 → 0.2" in read_log(client, run)


def test_nested_values_are_flat(client: Client) -> None:
    run = play(client, NESTED)
    metrics = {metric.key: (metric.count, metric.last_step) for metric in client.metrics(run.id).metrics}
    assert metrics == {
        "train.loss": (3, 2), "train.by.class": (3, 2), "val.loss": (3, 2), "a": (1, 3), "b": (1, 3),
    }  # fmt: skip


def test_a_summary_is_kept(client: Client) -> None:
    run = play(client, SUMMARY)
    assert run.environment is not None
    assert run.environment["summary"] == {"best_accuracy": 0.9, "test.top5": 0.99, "model": "small"}
    last = {metric.key: metric.last_value for metric in client.metrics(run.id).metrics}
    assert (last["best_accuracy"], last["test.top5"], last["val/accuracy"]) == (0.9, 0.99, 0.7)
    assert [run.id for run in keepbest.runs("best_accuracy > 0.8")] == [run.id]


def test_media_are_panels_and_files(client: Client) -> None:
    run = play(client, MEDIA)
    panels = {panel.name: panel.kind for panel in client.panels(run.id).panels}
    assert panels == {
        "examples/0": "image", "examples/1": "image", "weights": "histograms", "ready": "histograms",
        "array": "histograms", "confusion": "confusion",
    }  # fmt: skip
    files = {artifact.path: artifact.kind for artifact in client.files.list(run.id).artifacts}
    assert files == {
        "media/large.png": "image", "media/table.json": "table", "media/page.html": "text", "media/sound.wav": "file",
        "media/roc.json": "table", "media/line.json": "table",
    }  # fmt: skip
    assert "step 1: note = the first words" in read_log(client, run)


def test_files_are_kept(client: Client) -> None:
    run = play(client, FILES)
    paths = {artifact.path for artifact in client.files.list(run.id).artifacts}
    assert paths == {"model.h5", "dataset/data.bin", "dataset/notes.txt", "late.txt"}
    assert (run.name, run.tags, run.notes) == ("files, renamed", ["late"], "seen")


def test_what_is_absent_stops_no_training(client: Client, caplog: pytest.LogCaptureFixture) -> None:
    run = play(client, ABSENT)
    assert (run.state, run.last_value) == (RunState.FAILED, None)
    assert client.curve(run.id, "loss").total == 1
    assert "alert WARN: Low accuracy: 0.1 is below 0.2" in read_log(client, run)
    assert run.error is not None
    assert "1" in run.error.message
