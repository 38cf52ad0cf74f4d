"""Writes a file store and a database of MLflow. Run with the Python of the environment of MLflow's client."""

from __future__ import annotations

import json
import math
import os
from pathlib import Path

os.environ["MLFLOW_ALLOW_FILE_STORE"] = "true"
import mlflow
from mlflow.entities import Metric


def report() -> dict[str, str]:
    """Report a run, a nested run, a failed one and a deleted one; return the ids of the first two."""
    client = mlflow.MlflowClient()
    mlflow.set_experiment("vision/one")
    with mlflow.start_run(run_name="first", tags={"team": "vision"}, description="what I try") as run:
        mlflow.log_params({"lr": 0.1, "units": 64})
        for step, value in enumerate([0.9, 0.7, 0.8]):
            mlflow.log_metrics({"loss": value / 2, "val_loss": value, "a/b": 1.0}, step=step)
        for value in (math.nan, -math.inf):
            mlflow.log_metric("odd", value)
        client.log_batch(run.info.run_id, metrics=[Metric("many", float(n), 1000 + n, n) for n in range(1000)])
        mlflow.log_text("hello", "notes/a.txt")
        with mlflow.start_run(nested=True, run_name="child") as child:
            mlflow.log_metric("inner", 1)
    client.set_terminated(client.create_run("0", run_name="failed").info.run_id, "FAILED")
    client.delete_run(client.create_run("0", run_name="gone").info.run_id)
    return {"first": run.info.run_id, "child": child.info.run_id}


told = {}
for name, uri in (("folder", Path("mlruns").resolve().as_uri()), ("database", "sqlite:///mlflow.db")):
    mlflow.set_tracking_uri(uri)
    told[name] = report()
print(json.dumps(told))
