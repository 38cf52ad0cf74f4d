"""MLflow's clients and imported runs: what came from elsewhere is read, and goes on only after a start."""

from __future__ import annotations

from tests.support.imports import a_metric, begin, finish, send
from tests.support.mlflow import Mlflow


def test_an_imported_run_goes_on_after_a_start(mlflow: Mlflow) -> None:
    run = begin(mlflow.api)["run"]
    send(mlflow.api, run, (a_metric("val_loss", [0.9, 0.7]), 0, 0))
    finish(mlflow.api, run)
    assert [value for value, _, _ in mlflow.history(run, "val_loss")] == [0.9, 0.7]
    value = {"run_id": run, "key": "val_loss", "value": 0.6, "step": 1, "timestamp": 5}
    _, _, message = mlflow.fail("POST", "/runs/log-metric", value)
    assert "was imported" in message
    mlflow.post("/runs/update", run_id=run, status="RUNNING")
    mlflow.log(run, "val_loss", 0.6, step=1, at=1_800_000_000_000)
    shown = mlflow.api.get(f"/runs/{run}/validations")["validations"]
    assert [(each["segment"], each["step"], each["value"]) for each in shown] == [(0, 0, 0.9), (0, 1, 0.7), (1, 1, 0.6)]
    status, error = mlflow.api.fail("POST", f"/imports/{run}/end", {})
    assert (status, "--again" in error["hint"]) == (409, True)
