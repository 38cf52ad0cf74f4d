"""The requests that an unmodified client 3.17.2 was recorded sending: each gets the status and the fields it reads."""

from __future__ import annotations

from typing import Any

from tests.support.mlflow import Mlflow

RUN, EXPERIMENT = "RUN", "EXPERIMENT"
TAGS = [{"key": "mlflow.user", "value": "ada"}, {"key": "mlflow.source.name", "value": "train.py"}]
LATER = 1796000009000
METRIC = {"key": "acc", "value": 0.5, "timestamp": 1796000000123, "step": 1}
BOTH = {"run_id": RUN, "run_uuid": RUN}
DATASET = {"name": "digits", "digest": "a1", "source_type": "local", "source": "{}", "schema": "{}", "profile": "{}"}
INFO = {
    "run_uuid", "run_id", "experiment_id", "run_name", "user_id", "status", "start_time", "artifact_uri",
    "lifecycle_stage",
}  # fmt: skip
SHOWN = {"experiment_id", "name", "artifact_location", "lifecycle_stage", "last_update_time", "creation_time"}

#: Method, path, fields, status, and the fields of the answer, at the path of their names.
Row = tuple[str, str, dict[str, Any], int, dict[str, set[str]]]
RECORDED: list[Row] = [
    ("GET", "/experiments/get-by-name", {"experiment_name": "mine"}, 404, {"": {"error_code", "message"}}),
    ("POST", "/experiments/create", {"name": "mine"}, 200, {"": {"experiment_id"}}),
    ("GET", "/experiments/get", {"experiment_id": EXPERIMENT}, 200, {"experiment": SHOWN}),
    ("GET", "/experiments/get-by-name", {"experiment_name": "mine"}, 200, {"experiment": SHOWN}),
    (
        "POST", "/runs/create",
        {"experiment_id": EXPERIMENT, "user_id": "ada", "run_name": "first", "start_time": 1796000000000, "tags": TAGS},
        200, {"run": {"info", "data", "inputs"}, "run.info": INFO, "run.data": {"tags"}},
    ),
    ("POST", "/runs/log-parameter", {**BOTH, "key": "lr", "value": "0.1"}, 200, {}),
    ("POST", "/runs/log-batch", {"run_id": RUN, "params": [{"key": "units", "value": "64"}]}, 200, {}),
    ("POST", "/runs/log-metric", {**BOTH, **METRIC}, 200, {}),
    ("POST", "/runs/log-metric", {**BOTH, **METRIC, "value": "NaN"}, 200, {}),
    ("POST", "/runs/log-metric", {**BOTH, **METRIC, "value": "-Infinity", "model_id": "m-1"}, 200, {}),
    ("POST", "/runs/log-batch", {"run_id": RUN, "metrics": [METRIC]}, 200, {}),
    ("POST", "/runs/log-batch", {"run_id": RUN, "metrics": [{**METRIC, "run_id": RUN, "dataset_name": "d"}]}, 200, {}),
    ("POST", "/runs/set-tag", {**BOTH, "key": "team", "value": "vision"}, 200, {}),
    ("POST", "/runs/log-batch", {"run_id": RUN, "tags": [{"key": "a", "value": "b"}]}, 200, {}),
    ("POST", "/runs/delete-tag", {"run_id": RUN, "key": "a"}, 200, {}),
    ("POST", "/runs/log-inputs", {"run_id": RUN, "datasets": [{"tags": TAGS, "dataset": DATASET}]}, 200, {}),
    ("POST", "/runs/log-inputs", {"run_id": RUN, "models": [{"model_id": "m-1"}]}, 200, {}),
    (
        "GET", "/runs/get", BOTH, 200,
        {"run": {"info", "data", "inputs", "outputs"}, "run.data": {"metrics", "params", "tags"},
         "run.inputs": {"dataset_inputs"}},
    ),
    ("POST", "/runs/update", {**BOTH, "status": "FINISHED", "end_time": LATER}, 200, {"run_info": {*INFO, "end_time"}}),
    ("GET", "/metrics/get-history", {**BOTH, "metric_key": "acc", "max_results": 25000}, 200, {"": {"metrics"}}),
    (
        "POST", "/runs/search",
        {"experiment_ids": [EXPERIMENT], "run_view_type": "ACTIVE_ONLY", "filter": "metrics.acc > 0",
         "max_results": 1000, "order_by": ["metrics.acc DESC"]},
        200, {"": {"runs"}},
    ),
    ("POST", "/experiments/search", {"max_results": 1000, "view_type": "ACTIVE_ONLY"}, 200, {"": {"experiments"}}),
    ("POST", "/logged-models/search", {"experiment_ids": [EXPERIMENT], "filter": "source_run_id = 'a'"}, 200, {}),
    ("POST", "/runs/update", {**BOTH, "run_name": "second", "status": "FINISHED"}, 200, {"run_info": INFO}),
    ("POST", "/runs/delete", {"run_id": RUN}, 200, {}),
    ("POST", "/runs/restore", {"run_id": RUN}, 200, {}),
    ("POST", "/runs/update", {**BOTH, "status": "RUNNING", "end_time": LATER}, 200, {"run_info": INFO}),
    ("POST", "/runs/log-metric", {**BOTH, **METRIC, "step": 2}, 200, {}),
    ("POST", "/experiments/update", {"experiment_id": EXPERIMENT, "new_name": "other"}, 200, {}),
    ("POST", "/experiments/set-experiment-tag", {"experiment_id": EXPERIMENT, "key": "k", "value": "v"}, 200, {}),
    ("POST", "/experiments/delete-experiment-tag", {"experiment_id": EXPERIMENT, "key": "k"}, 200, {}),
    ("POST", "/experiments/delete", {"experiment_id": EXPERIMENT}, 200, {}),
    ("POST", "/experiments/restore", {"experiment_id": EXPERIMENT}, 200, {}),
    ("GET", "/registered-models/get", {"name": "m"}, 404, {"": {"error_code", "message"}}),
]  # fmt: skip


def fill(given: Any, known: dict[str, str]) -> Any:
    """Return the fields with the ids that earlier answers held in place of their names."""
    if isinstance(given, dict):
        return {name: fill(value, known) for name, value in given.items()}
    if isinstance(given, list):
        return [fill(value, known) for value in given]
    return known.get(given, given) if isinstance(given, str) else given


def test_each_recorded_request_is_answered_as_its_client_reads(mlflow: Mlflow) -> None:
    known: dict[str, str] = {}
    for number, (method, path, given, status, fields) in enumerate(RECORDED):
        answer = mlflow.call(method, path, fill(given, known))
        assert answer.status_code == status, f"{number} {path}: {answer.text}"
        document = answer.get_json()
        for place, names in fields.items():
            inner = document
            for part in filter(None, place.split(".")):
                inner = inner[part]
            assert names <= set(inner), f"{number} {path} {place}: {document}"
        if path == "/experiments/create":
            known[EXPERIMENT] = document["experiment_id"]
        elif path == "/runs/create":
            known[RUN] = document["run"]["info"]["run_id"]
    info = mlflow.run(known[RUN])["info"]
    assert (info["status"], info["run_name"], info["user_id"]) == ("KILLED", "second", "ada")
    assert info["artifact_uri"] == f"mlflow-artifacts:/{known[EXPERIMENT]}/{known[RUN]}/artifacts"
