"""A script as people have them: everything goes through MLflow's own client. Run with the Python of its environment.

It prints a line of JSON with what the client read back.
"""

from __future__ import annotations

import json
import math

import mlflow
from mlflow.entities import Metric, Param, RunTag, ViewType

client = mlflow.MlflowClient()
mlflow.set_experiment("/Users/ada/mine")
with mlflow.start_run(run_name="a/first", tags={"team": "vision"}, description="what I try") as run:
    mlflow.log_param("lr", 0.1)
    mlflow.log_params({"units": 64, "none": None})
    for step, value in enumerate([0.9, 0.7, 0.8]):
        mlflow.log_metrics({"loss": value / 2, "val_loss": value}, step=step)
    mlflow.log_metric("late", 1.0, synchronous=False).wait()
    mlflow.log_metric("odd", math.nan)
    mlflow.log_metric("odd", -math.inf)
    mlflow.set_tags({"a": "b", "gone": "x"})
    mlflow.delete_tag("gone")
    with mlflow.start_run(nested=True) as child:
        mlflow.log_metric("inner", 1)
id = run.info.run_id
client.log_batch(
    id,
    metrics=[Metric("many", float(n), 1000 + n, n) for n in range(2500)],
    params=[Param(f"p{n}", str(n)) for n in range(150)],
    tags=[RunTag(f"t{n}", "x") for n in range(150)],
)
with mlflow.start_run(run_id=id):
    mlflow.log_metric("val_loss", 0.6, step=1)
experiment = mlflow.get_experiment_by_name("/Users/ada/mine")
other = client.create_experiment("other", tags={"k": "v"})
client.set_experiment_tag(other, "k2", "v2")
client.rename_experiment(other, "renamed")
client.delete_experiment(other)
deleted = [each.name for each in client.search_experiments(view_type=ViewType.DELETED_ONLY)]
client.restore_experiment(other)
client.delete_run(child.info.run_id)
shown = client.get_run(id)
try:
    client.log_param(id, "lr", "7")
    changed = "taken"
except mlflow.exceptions.MlflowException as error:
    changed = error.error_code
try:
    client.list_webhooks()
    genai = "there"
except mlflow.exceptions.MlflowException as error:
    genai = error.error_code
print(
    json.dumps(
        {
            "id": id,
            "status": shown.info.status,
            "name": shown.info.run_name,
            "params": len(shown.data.params),
            "lr": shown.data.params["lr"],
            "note": shown.data.tags["mlflow.note.content"],
            "tags": [key for key in ("team", "a", "gone") if key in shown.data.tags],
            "odd": [str(point.value) for point in client.get_metric_history(id, "odd")],
            "many": len(client.get_metric_history(id, "many")),
            "found": [
                each.info.run_id
                for each in client.search_runs(
                    [experiment.experiment_id],
                    "metrics.val_loss > 0.75 and params.lr = '0.1' and tags.team LIKE 'vis%'",
                    order_by=["metrics.val_loss ASC", "attributes.start_time DESC"],
                )
            ],
            "all": len(client.search_runs([experiment.experiment_id], run_view_type=ViewType.ALL)),
            "experiments": sorted(each.name for each in client.search_experiments()),
            "deleted": deleted,
            "tagged": client.get_experiment(other).tags,
            "changed": changed,
            "genai": genai,
        }
    )
)
