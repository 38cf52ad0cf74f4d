"""Checkpoints that MLflow's client sends as files: tied to their validation, kept as best and last, never torn."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from keepbest.contract.artifacts import Artifact
from tests.support.api import Api
from tests.support.mlflow import Mlflow
from tracker.db import Engine
from tracker.store.checkpoint_files import is_checkpoint, metrics_of

ROOT = "/api/2.0/mlflow-artifacts/artifacts"
MODEL, METRICS = "checkpoints/latest_checkpoint.h5", "checkpoints/latest_checkpoint_metrics.json"


def send(mlflow: Mlflow, run: str, path: str, data: bytes) -> None:
    answer = mlflow.call("PUT", f"/0/{run}/artifacts/{path}", data, prefix=ROOT)
    assert answer.status_code == 200, answer.text


def say(mlflow: Mlflow, run: str, epoch: Any, **values: Any) -> None:
    send(mlflow, run, METRICS, json.dumps({**values, "epoch": epoch, "global_step": 7}).encode())


def kept(mlflow: Mlflow, run: str, path: str = MODEL) -> list[tuple[int, Any, Any]]:
    """Return version, step and value of each version that stays, the oldest first."""
    rows = mlflow.api.get(f"/runs/{run}/artifacts?versions=true&prefix={path}")["artifacts"]
    return [(row["version"], row["step"], row["value"]) for row in reversed(rows)]


def begin(mlflow: Mlflow) -> str:
    """Make a run as `mlflow.tensorflow.autolog` with an EarlyStopping does."""
    run = mlflow.begin()
    params = [{"key": "monitor", "value": "val_loss"}, {"key": "patience", "value": "3"}]
    mlflow.post("/runs/log-batch", run_id=run, params=params)
    return run


def test_best_and_last_stay_with_their_values(mlflow: Mlflow) -> None:
    run = begin(mlflow)
    for epoch, value in enumerate([0.9, 0.4, 0.7, 0.6]):
        say(mlflow, run, epoch, val_loss=value, loss=0.1)
        send(mlflow, run, MODEL, f"model {epoch}".encode())
        mlflow.log(run, "val_loss", value, step=epoch, at=1000 * epoch)
    assert kept(mlflow, run) == [(2, 1, 0.4), (4, 3, 0.6)]
    answer = mlflow.call("GET", f"/0/{run}/artifacts/{MODEL}", prefix=ROOT)
    assert answer.data == b"model 3"
    answer.close()
    best = mlflow.api.call("GET", f"/runs/{run}/artifacts/{MODEL}?version=2")
    assert best.data == b"model 1"
    best.close()


def test_a_torn_pair_is_no_checkpoint(mlflow: Mlflow) -> None:
    run = begin(mlflow)
    say(mlflow, run, 0, val_loss=0.9)
    send(mlflow, run, MODEL, b"0")
    say(mlflow, run, 1, val_loss=0.1)  # the writer is killed before it sends the model
    assert kept(mlflow, run) == [(1, 0, 0.9)]
    say(mlflow, run, 2, val_loss=0.5)
    send(mlflow, run, MODEL, b"2")
    assert kept(mlflow, run) == [(2, 2, 0.5)]  # both best and last
    send(mlflow, run, MODEL, b"3")  # whose values never came
    assert kept(mlflow, run) == [(2, 2, 0.5), (3, None, None)]


def test_an_alias_keeps_a_version(mlflow: Mlflow) -> None:
    run = begin(mlflow)
    say(mlflow, run, 0, val_loss=0.9)
    send(mlflow, run, MODEL, b"0")
    named = mlflow.api.call("PUT", "/aliases/Default", {"name": "first", "run": run, "path": MODEL})
    assert named.status_code == 200
    for epoch in (1, 2):
        say(mlflow, run, epoch, val_loss=0.5 / epoch)
        send(mlflow, run, MODEL, f"{epoch}".encode())
    assert kept(mlflow, run) == [(1, 0, 0.9), (3, 2, 0.25)]


def test_a_file_alone_has_the_newest_validation(mlflow: Mlflow) -> None:
    run = mlflow.begin()
    path = "checkpoints/weights.keras"
    for step, value in enumerate([0.9, 0.2, 0.5]):
        mlflow.log(run, "val_loss", value, step=step, at=1000 * step)
        send(mlflow, run, path, f"{step}".encode())
    assert kept(mlflow, run, path) == [(2, 1, 0.2), (3, 2, 0.5)]


def test_without_values_the_newest_versions_stay(engine: Engine, tmp_path: Path) -> None:
    api = Api(engine, tmp_path, artifact_versions=2)
    mlflow = Mlflow(api)
    run = mlflow.begin()
    for number in range(4):
        send(mlflow, run, MODEL, f"{number}".encode())
    assert kept(mlflow, run) == [(3, None, None), (4, None, None)]
    api.close()


def test_every_epochs_own_file_stays(mlflow: Mlflow) -> None:
    run = begin(mlflow)
    for epoch, value in enumerate([0.1, 0.9, 0.8]):
        folder = f"checkpoints/epoch_{epoch}"
        send(mlflow, run, f"{folder}/checkpoint_metrics.json", json.dumps({"val_loss": value, "epoch": epoch}).encode())
        send(mlflow, run, f"{folder}/checkpoint.weights.h5", f"{epoch}".encode())
    shown = mlflow.api.get(f"/runs/{run}/artifacts?prefix=checkpoints/")["artifacts"]
    assert [(Artifact(**row).step, row["value"]) for row in shown if row["path"].endswith(".h5")] == [
        (0, 0.1), (1, 0.9), (2, 0.8),
    ]  # fmt: skip


HOSTILE = [
    b"", b"{", b"[]", b"3", b"\xff", b'{"epoch": 1.5, "val_loss": 1}', b'{"epoch": -1, "val_loss": 1}', b"[" * 9000,
    b'{"epoch": true, "val_loss": 1}', b'{"val_loss": 1}', b'{"epoch": 9007199254740993}', b"{" + b" " * 70_000 + b"}",
]  # fmt: skip


@pytest.mark.parametrize("data", HOSTILE)
def test_a_file_that_says_nothing_is_a_file(mlflow: Mlflow, data: bytes) -> None:
    run = begin(mlflow)
    send(mlflow, run, METRICS, data)
    send(mlflow, run, MODEL, b"0")
    assert kept(mlflow, run) == [(1, None, None)]


@pytest.mark.parametrize("value", ["NaN", "Infinity", "1e999", '"low"', "null", "true", "[1]", "1" + "0" * 400])
def test_a_value_that_is_none_is_never_the_best(mlflow: Mlflow, value: str) -> None:
    run = begin(mlflow)
    say(mlflow, run, 0, val_loss=0.5)
    send(mlflow, run, MODEL, b"0")
    send(mlflow, run, METRICS, f'{{"epoch": 1, "val_loss": {value}}}'.encode())
    send(mlflow, run, MODEL, b"1")
    assert kept(mlflow, run) == [(1, 0, 0.5), (2, 1, None)]


@pytest.mark.parametrize(
    ("path", "is_one", "beside"),
    [
        (MODEL, True, METRICS),
        ("checkpoints/latest_checkpoint.weights.h5", True, METRICS),
        ("checkpoints/global_step_9/checkpoint.h5", True, "checkpoints/global_step_9/checkpoint_metrics.json"),
        ("checkpoints/01-0.5.keras", True, None),
        (METRICS, False, None),
        ("model/data/model.keras", False, None),
        ("checkpoints.h5", False, "checkpoints"),
    ],
)
def test_checkpoints_are_known_by_their_paths(path: str, is_one: bool, beside: str | None) -> None:
    assert is_checkpoint(path) == is_one
    if is_one:
        assert metrics_of(path) == beside
