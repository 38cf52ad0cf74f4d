"""Requests with wrong fields, types, sizes and ids: refused in MLflow's sentences, and nothing is kept of them."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.mlflow import Mlflow


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """What is tested here does not depend on the database."""
    return sqlite_url


METRIC = {"key": "acc", "value": 0.5, "timestamp": 1, "step": 0}
PARAM = {"key": "lr", "value": "1"}
MISSING, INVALID = "Missing value for required parameter '{}'.", "Invalid value {} for parameter '{}' supplied"

#: Path, fields beside a good run's id, and what the answer says.
BAD: list[tuple[str, dict[str, Any], str]] = [
    ("/experiments/create", {}, MISSING.format("name")),
    ("/experiments/create", {"name": ""}, MISSING.format("name")),
    ("/experiments/create", {"name": 31}, INVALID.format(31, "name")),
    ("/experiments/create", {"name": "x" * 501}, "'name' exceeds the maximum length of 500"),
    ("/experiments/create", {"name": "..."}, "Invalid experiment name"),
    ("/experiments/create", {"name": "a\ud800"}, "not JSON"),
    ("/experiments/create", {"name": "a\0"}, INVALID.format('"a\\u0000"', "name")),
    ("/experiments/create", {"name": "a", "tags": "b"}, INVALID.format('"b"', "tags")),
    ("/experiments/create", {"name": "a", "tags": [{"key": "k"}] * 101}, "at most 100 tags"),
    ("/experiments/search", {"max_results": "many"}, INVALID.format('"many"', "max_results")),
    ("/experiments/search", {"max_results": 0}, INVALID.format(0, "max_results")),
    ("/experiments/search", {"view_type": "SOME"}, INVALID.format('"SOME"', "view_type")),
    ("/experiments/search", {"filter": "metrics.a > 1"}, "Invalid entity type 'metrics'"),
    ("/experiments/search", {"filter": "experiment_id LIKE '1%'"}, "Invalid comparator 'LIKE' not one of"),
    ("/experiments/search", {"order_by": ["size"]}, "Invalid attribute key 'size'"),
    ("/experiments/search", {"page_token": "nonsense"}, "The cursor was not made by this tracker"),
    ("/experiments/set-experiment-tag", {"experiment_id": "0", "value": "v"}, MISSING.format("key")),
    (
        "/experiments/set-experiment-tag",
        {"experiment_id": "0", "key": "mlflow.note.content", "value": "x" * 10_001}, "at most 10,000 characters",
    ),
    (
        "/experiments/delete-experiment-tag",
        {"experiment_id": "0", "key": "keepbest.experimentName"}, "holds the experiment's name",
    ),
    ("/runs/create", {"experiment_id": 31}, INVALID.format(31, "experiment_id")),
    ("/runs/create", {"start_time": "now"}, INVALID.format('"now"', "start_time")),
    ("/runs/create", {"start_time": 10**17}, INVALID.format(10**17, "start_time")),
    ("/runs/create", {"start_time": 40_000_000_000_000}, INVALID.format(40_000_000_000_000, "start_time")),
    ("/runs/create", {"tags": [{"key": "k", "value": "v" * 8001}]}, "'tags[0].value' exceeds the maximum length"),
    ("/runs/create", {"tags": [["k", "v"]]}, INVALID.format('["k","v"]', "tags[0]")),
    ("/runs/update", {"status": "DONE"}, INVALID.format('"DONE"', "status")),
    ("/runs/update", {"status": 31}, INVALID.format(31, "status")),
    ("/runs/update", {"end_time": -1}, INVALID.format(-1, "end_time")),
    ("/runs/log-metric", {**METRIC, "run_id": 31}, INVALID.format(31, "run_id")),
    ("/runs/log-metric", {**METRIC, "run_id": None}, MISSING.format("run_id")),
    ("/runs/log-metric", {**METRIC, "key": None}, MISSING.format("key")),
    ("/runs/log-metric", {**METRIC, "key": "k" * 201}, "'key' exceeds the maximum length of 200"),
    ("/runs/log-metric", {**METRIC, "key": "a\u202eb"}, "no control character"),
    ("/runs/log-metric", {**METRIC, "value": None}, MISSING.format("value")),
    ("/runs/log-metric", {**METRIC, "value": "high"}, INVALID.format('"high"', "value")),
    ("/runs/log-metric", {**METRIC, "value": True}, INVALID.format("true", "value")),
    ("/runs/log-metric", {**METRIC, "timestamp": None}, MISSING.format("timestamp")),
    ("/runs/log-metric", {**METRIC, "timestamp": 1.5}, INVALID.format(1.5, "timestamp")),
    ("/runs/log-metric", {**METRIC, "timestamp": 40 * 10**12}, INVALID.format(40 * 10**12, "timestamp")),
    ("/runs/log-metric", {**METRIC, "key": "val_loss", "step": 2**53}, INVALID.format(2**53, "step")),
    ("/runs/log-metric", {**METRIC, "step": -1}, INVALID.format(-1, "step")),
    ("/runs/log-metric", {**METRIC, "step": 2**60}, INVALID.format(2**60, "step")),
    ("/runs/log-batch", {"metrics": [METRIC] * 1001}, "at most 1,000 metrics"),
    ("/runs/log-batch", {"params": [{"key": f"p{n}", "value": "v"} for n in range(101)]}, "at most 100 params"),
    ("/runs/log-batch", {"tags": [{"key": "k"}] * 101}, "at most 100 tags"),
    ("/runs/log-batch", {"metrics": [METRIC] * 1000, "params": [PARAM]}, "at most 1000 metrics, params, and tags"),
    ("/runs/log-batch", {"metrics": [METRIC, {**METRIC, "value": None}]}, MISSING.format("metrics[1].value")),
    ("/runs/log-batch", {"params": [PARAM, PARAM]}, "Duplicate parameter keys have been submitted: ['lr']"),
    ("/runs/log-batch", {"params": [{"value": "1"}]}, MISSING.format("params[0].key")),
    ("/runs/log-batch", {"params": [{"key": "p", "value": "v" * 6001}]}, "exceeds the maximum length of 6000"),
    ("/runs/log-parameter", {"key": "p", "value": 1}, INVALID.format(1, "value")),
    ("/runs/set-tag", {"key": "", "value": "v"}, MISSING.format("key")),
    ("/runs/log-inputs", {"datasets": [{"tags": []}]}, INVALID.format("null", "datasets[0].dataset")),
    ("/runs/log-inputs", {"datasets": [{"dataset": {"name": "d"}}]}, MISSING.format("datasets[0].dataset.digest")),
    ("/runs/search", {"experiment_ids": "0"}, INVALID.format('"0"', "experiment_ids")),
    ("/runs/search", {"experiment_ids": [0]}, INVALID.format("[0]", "experiment_ids")),
    ("/runs/search", {"max_results": 50_001}, INVALID.format(50_001, "max_results")),
    ("/runs/search", {"filter": "metrics.a >"}, "Expected numeric value type for metric"),
    ("/runs/search", {"order_by": ["metrics.a UP"]}, "Invalid order_by clause"),
    ("/runs/search", {"run_view_type": []}, INVALID.format("[]", "run_view_type")),
]  # fmt: skip


@pytest.mark.parametrize(("path", "given", "message"), BAD)
def test_a_wrong_request_is_refused_in_mlflows_words(
    mlflow: Mlflow, path: str, given: dict[str, Any], message: str
) -> None:
    run = mlflow.begin()
    status, code, said = mlflow.fail("POST", path, {"run_id": run} | given)
    assert (status, code) == (400, "INVALID_PARAMETER_VALUE"), said
    assert message in said
    data = mlflow.run(run)["data"]
    assert (data["metrics"], data["params"]) == ([], [])


UNKNOWN = [
    ("GET", "/runs/get", {"run_id": "nope"}),
    ("GET", "/runs/get", {"run_id": "a" * 12}),
    ("GET", "/runs/get", {"run_uuid": "a" * 12}),
    ("POST", "/runs/log-metric", {**METRIC, "run_id": "a" * 12}),
    ("POST", "/runs/update", {"run_id": "é" * 12, "status": "FINISHED"}),
    ("POST", "/runs/delete", {"run_id": "a" * 200}),
    ("POST", "/runs/restore", {"run_id": "a" * 12}),
    ("GET", "/metrics/get-history", {"run_id": "a" * 12, "metric_key": "acc"}),
    ("GET", "/metrics/get-history-bulk", {"run_id": ["a" * 12], "metric_key": "acc"}),
    ("GET", "/experiments/get", {"experiment_id": "999"}),
    ("GET", "/experiments/get", {"experiment_id": "x" * 100}),
    ("GET", "/experiments/get", {"experiment_id": "9" * 40}),
    ("GET", "/experiments/get-by-name", {"experiment_name": "nope"}),
    ("POST", "/runs/create", {"experiment_id": "999"}),
    ("POST", "/experiments/delete", {"experiment_id": "-1"}),
    ("POST", "/experiments/restore", {"experiment_id": "999"}),
]


@pytest.mark.parametrize(("method", "path", "given"), UNKNOWN)
def test_what_is_not_there_is_said_to_be_missing(mlflow: Mlflow, method: str, path: str, given: dict[str, Any]) -> None:
    assert mlflow.fail(method, path, given)[:2] == (404, "RESOURCE_DOES_NOT_EXIST")


BODIES = [b"{", b"[]", b"1", b'"a"', b"\xff", b'{"run_id": NaN}', b"[" * 5000]


@pytest.mark.parametrize("body", BODIES)
def test_a_body_that_is_no_object_is_refused(mlflow: Mlflow, body: bytes) -> None:
    assert mlflow.fail("POST", "/runs/log-batch", body)[:2] == (400, "INVALID_PARAMETER_VALUE")


def test_a_body_has_a_size(mlflow: Mlflow) -> None:
    status, code, message = mlflow.fail("POST", "/runs/log-batch", b'{"run_id": "' + b"a" * 10**6 + b'"}')
    assert (status, code) == (413, "INVALID_PARAMETER_VALUE")
    assert "1,000,000 bytes" in message


def test_a_runs_data_sets_have_a_size_in_all(mlflow: Mlflow, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tracker.store.reported.datasets.MAX_CHARACTERS", 1000)
    run = mlflow.begin()

    def log(digest: str, characters: int) -> dict[str, Any]:
        dataset = {"name": "d", "digest": digest, "source_type": "local", "source": "{}", "profile": "x" * characters}
        return {"run_id": run, "datasets": [{"dataset": dataset}]}

    mlflow.post("/runs/log-inputs", **log("a", 700))
    assert "at most 1,000 characters" in mlflow.fail("POST", "/runs/log-inputs", log("b", 700))[2]
    mlflow.post("/runs/log-inputs", **log("a", 700))
    (kept,) = mlflow.run(run)["inputs"]["dataset_inputs"]
    assert kept["dataset"]["digest"] == "a"


def test_a_run_has_so_many_params_and_tags(mlflow: Mlflow, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tracker.store.reported.parameters.MAX_PARAMETERS", 2)
    monkeypatch.setattr("tracker.store.reported.keyed_tags.MAX_TAGS", 3)
    run = mlflow.begin()  # which has two tags already: its user and its name
    three = [{"key": key, "value": "v"} for key in "abc"]
    assert "at most 2 params" in mlflow.fail("POST", "/runs/log-batch", {"run_id": run, "params": three})[2]
    assert "at most 3 tags" in mlflow.fail("POST", "/runs/log-batch", {"run_id": run, "tags": three})[2]
