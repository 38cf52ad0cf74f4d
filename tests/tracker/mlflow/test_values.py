"""Values that arrive in any order, at any step, again and again: what is kept, and what a client reads of it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.mlflow import Mlflow, as_dict
from tests.support.store import NOW
from tracker import db
from tracker.store import leases
from tracker.store.metrics import compaction
from tracker.store.search.entries import MAX_TEXT

SENT = [(0.5, 3, 30), (0.4, 1, 50), (0.3, 3, 20), ("NaN", 2, 40), ("Infinity", 0, 40), ("-Infinity", 0, 41)]
#: By time, then by step, then by value, as MLflow's own server answers.
ORDERED = [(0.3, 3, 20), (0.5, 3, 30), ("Infinity", 0, 40), ("NaN", 2, 40), ("-Infinity", 0, 41), (0.4, 1, 50)]


def compact(mlflow: Mlflow) -> int:
    """Pack what there is to pack, as the scheduler does when nobody has reported for a while."""
    with db.write(mlflow.api.engine) as conn:
        groups = compaction.find_due(conn, mlflow.api.wait(3600), limit=10)
        for group in groups:
            rows = compaction.read_group(conn, group)
            compaction.replace(conn, group, rows, compaction.pack(rows))
    return len(groups)


def test_every_value_is_kept_and_answered_in_order_of_time(mlflow: Mlflow) -> None:
    run = mlflow.begin()
    for value, step, at in SENT:
        mlflow.log(run, "loss", value, step=step, at=at)
    assert mlflow.history(run, "loss") == ORDERED
    assert compact(mlflow) == 1
    assert mlflow.history(run, "loss") == ORDERED


def test_values_of_one_step_and_time_are_one_each(mlflow: Mlflow) -> None:
    run = mlflow.begin()
    for value in (3.0, 1.0, 2.0, 1.0):
        mlflow.log(run, "loss", value, at=7)
    assert [value for value, _, _ in mlflow.history(run, "loss")] == [1.0, 2.0, 3.0]


LAST: list[tuple[list[tuple[float, int, int]], float]] = [
    ([(1.0, 1, 10), (2.0, 2, 20)], 2.0),
    ([(2.0, 2, 20), (1.0, 1, 30)], 2.0),  # the highest step, not the latest time
    ([(1.0, 5, 30), (2.0, 5, 20)], 1.0),  # of one step the latest time
    ([(1.0, 5, 20), (9.0, 5, 20), (2.0, 5, 20)], 9.0),  # of one time the highest value
]


@pytest.mark.parametrize(("sent", "last"), LAST)
def test_the_last_value_is_that_of_step_then_time_then_value(
    mlflow: Mlflow, sent: list[tuple[float, int, int]], last: float
) -> None:
    run, batched = mlflow.begin(), mlflow.begin()
    for value, step, at in sent:
        mlflow.log(run, "loss", value, step=step, at=at)
    metrics = [{"key": "loss", "value": value, "step": step, "timestamp": at} for value, step, at in sent]
    mlflow.post("/runs/log-batch", run_id=batched, metrics=metrics)
    for id in (run, batched):
        (metric,) = mlflow.run(id)["data"]["metrics"]
        assert metric["value"] == last


def test_a_batch_is_taken_whole_or_not_at_all(mlflow: Mlflow) -> None:
    run = mlflow.begin()
    mlflow.post("/runs/log-parameter", run_id=run, key="lr", value="1")
    metric = {"key": "loss", "value": 1.0, "timestamp": 1, "step": 0}
    given = {
        "run_id": run,
        "metrics": [metric],
        "params": [{"key": "lr", "value": "2"}],
        "tags": [{"key": "a", "value": "b"}],
    }
    status, code, message = mlflow.fail("POST", "/runs/log-batch", given)
    assert (status, code) == (400, "INVALID_PARAMETER_VALUE")
    assert "Changing param values is not allowed" in message
    data = mlflow.run(run)["data"]
    assert (data["metrics"], as_dict(data["params"]), "a" in as_dict(data["tags"])) == ([], {"lr": "1"}, False)


def test_histories_come_in_pages(mlflow: Mlflow) -> None:
    run = mlflow.begin()
    metrics = [{"key": "loss", "value": float(n), "timestamp": n, "step": n} for n in range(1000)]
    mlflow.post("/runs/log-batch", run_id=run, metrics=metrics)
    seen, token = [], None
    while True:
        given: dict[str, Any] = {"run_id": run, "metric_key": "loss", "max_results": 300}
        page = mlflow.get("/metrics/get-history", **given, **({"page_token": token} if token else {}))
        seen += [point["value"] for point in page["metrics"]]
        token = page.get("next_page_token")
        if token is None:
            break
        assert (
            mlflow.fail("GET", "/metrics/get-history", {"run_id": run, "metric_key": "acc", "page_token": token})[0]
            == 400
        )
    assert seen == [float(n) for n in range(1000)]


def test_histories_of_several_runs_come_together(mlflow: Mlflow) -> None:
    first, second = sorted([mlflow.begin(), mlflow.begin()])
    for run in (second, first):
        for step in range(5):
            mlflow.log(run, "loss", step / 2, step=step, at=step)
    points = mlflow.get("/metrics/get-history-bulk", run_id=[second, first], metric_key="loss")["metrics"]
    assert [(point["run_id"], point["step"]) for point in points] == [
        *((first, step) for step in range(5)),
        *((second, step) for step in range(5)),
    ]
    given: dict[str, Any] = {"run_ids": [first, second], "metric_key": "loss"}
    some = mlflow.get("/metrics/get-history-bulk-interval", **given, start_step=1, end_step=4, max_results=2)["metrics"]
    assert [(point["run_id"], point["step"]) for point in some] == [(first, 1), (first, 4), (second, 1), (second, 4)]
    whole = mlflow.get("/metrics/get-history-bulk-interval", **given)["metrics"]
    assert len(whole) == 10


def test_a_curve_of_one_step_is_drawn_over_its_count(mlflow: Mlflow) -> None:
    run = mlflow.begin()
    for at, value in enumerate([3.0, 1.0, 2.0]):
        mlflow.log(run, "loss", value, at=at)
        mlflow.log(run, "acc", value, step=at, at=at)
    loss, acc = mlflow.api.post("/curves", {"runs": [run], "keys": ["loss", "acc"]})["curves"]
    assert (loss["is_counted"], loss["x"], loss["values"]) == (True, [0, 1, 2], [3, 1, 2])
    assert (acc["is_counted"], acc["x"], acc["steps"]) == (False, None, [0, 1, 2])
    assert mlflow.api.get(f"/runs/{run}/curve?key=loss")["is_counted"]
    for query in ("key=acc", "key=acc&from=1&to=1", "key=loss&from=0"):
        assert not mlflow.api.get(f"/runs/{run}/curve?{query}")["is_counted"]


def test_a_run_that_has_ended_still_takes_values(mlflow: Mlflow) -> None:
    run = mlflow.begin()
    mlflow.post("/runs/update", run_id=run, status="FINISHED", end_time=9_000)
    mlflow.log(run, "test_acc", 0.9)
    shown = mlflow.run(run)
    assert (shown["info"]["status"], shown["info"]["end_time"], len(shown["data"]["metrics"])) == ("FINISHED", 9_000, 1)


def test_params_are_texts_that_never_change(mlflow: Mlflow) -> None:
    run = mlflow.begin()
    for _ in range(2):
        mlflow.post("/runs/log-parameter", run_id=run, key="lr", value="0.1")
    long = "x" * 6000
    mlflow.post("/runs/log-batch", run_id=run, params=[{"key": "long", "value": long}, {"key": "none", "value": ""}])
    assert as_dict(mlflow.run(run)["data"]["params"]) == {"lr": "0.1", "long": long, "none": ""}
    again = {"run_id": run, "key": "lr", "value": "0.2"}
    assert "logged with value='0.1'" in mlflow.fail("POST", "/runs/log-parameter", again)[2]
    assert mlflow.api.get(f"/runs/{run}")["spec"]["parameters"]["lr"] == "0.1"
    found = mlflow.api.get("/runs?project=Default&q=params.lr %3C 0.5")["runs"]
    assert [each["id"] for each in found] == [run]  # a text that reads as a number is compared as one


def test_tags_have_values_of_any_length(mlflow: Mlflow) -> None:
    run = mlflow.begin()
    long = "y" * (MAX_TEXT + 7000)
    mlflow.post("/runs/log-batch", run_id=run, tags=[{"key": f"t{n}", "value": "v"} for n in range(100)])
    for value in ("short", long, "vision"):
        mlflow.post("/runs/set-tag", run_id=run, key="team", value=value)
        assert as_dict(mlflow.run(run)["data"]["tags"])["team"] == value
    mlflow.post("/runs/delete-tag", run_id=run, key="t7")
    assert "t7" not in as_dict(mlflow.run(run)["data"]["tags"])
    status, code, message = mlflow.fail("POST", "/runs/delete-tag", {"run_id": run, "key": "t7"})
    assert (status, code, message) == (404, "RESOURCE_DOES_NOT_EXIST", f"No tag with name: t7 in run with id {run}.")


def test_a_name_and_notes_are_the_runs_own(mlflow: Mlflow) -> None:
    run = mlflow.begin(run_name="/a/b", tags=[{"key": "mlflow.note.content", "value": "what I tried"}])
    shown, own = mlflow.run(run), mlflow.api.get(f"/runs/{run}")
    assert (shown["info"]["run_name"], own["name"], own["notes"]) == ("/a/b", "a/b", "what I tried")
    mlflow.api.call("PATCH", f"/runs/{run}", {"name": "better", "notes": "no good"})
    shown = mlflow.run(run)
    tags = as_dict(shown["data"]["tags"])
    assert (shown["info"]["run_name"], tags["mlflow.runName"], tags["mlflow.note.content"]) == (
        "better",
        "better",
        "no good",
    )
    mlflow.post("/runs/set-tag", run_id=run, key="mlflow.runName", value="third")
    mlflow.post("/runs/delete-tag", run_id=run, key="mlflow.note.content")
    own = mlflow.api.get(f"/runs/{run}")
    assert (own["name"], own["notes"]) == ("third", "")


def test_data_sets_are_kept_as_they_were_sent(mlflow: Mlflow) -> None:
    run = mlflow.begin()
    dataset = {"name": "digits", "digest": "a1", "source_type": "local", "source": "{}", "schema": "s" * 9000}
    used = {"dataset": dataset, "tags": [{"key": "mlflow.data.context", "value": "training"}]}
    for _ in range(2):
        mlflow.post("/runs/log-inputs", run_id=run, datasets=[used])
    assert mlflow.run(run)["inputs"]["dataset_inputs"] == [used]


def test_a_silent_run_is_lost_and_its_next_word_brings_it_back(mlflow: Mlflow) -> None:
    run = mlflow.begin()
    mlflow.log(run, "loss", 1.0)
    for seconds, status in ((86_000, "RUNNING"), (900, "FAILED")):
        with db.write(mlflow.api.engine) as conn:
            leases.shorten_leases(conn, seconds=30, now=mlflow.api.wait(seconds))
            leases.expire_leases(conn, mlflow.api.now)
        assert mlflow.run(run)["info"]["status"] == status
    assert mlflow.api.get(f"/runs/{run}")["stop_reason"] == "worker_lost"
    mlflow.log(run, "loss", 0.5, step=1)
    assert mlflow.run(run)["info"]["status"] == "RUNNING"
    assert mlflow.api.get(f"/runs/{run}")["error"] is None
    assert mlflow.api.now > NOW


def test_a_cancel_is_done_at_once(mlflow: Mlflow) -> None:
    run = mlflow.begin()
    assert mlflow.api.post(f"/runs/{run}/cancel")["state"] == "cancelled"
    mlflow.log(run, "loss", 1.0)
    assert mlflow.run(run)["info"]["status"] == "KILLED"


MOVES = [
    (["FINISHED"], "FINISHED"),
    (["FAILED", "RUNNING"], "RUNNING"),
    (["KILLED", "FINISHED"], "FINISHED"),
    (["SCHEDULED", "RUNNING", "FAILED"], "FAILED"),
    (["FINISHED", "FINISHED", "SCHEDULED", "KILLED"], "KILLED"),
    (["RUNNING"], "RUNNING"),
]


@pytest.mark.parametrize(("statuses", "last"), MOVES)
def test_any_status_may_follow_any_other(mlflow: Mlflow, statuses: list[str], last: str) -> None:
    run = mlflow.begin()
    for status in statuses:
        info = mlflow.post("/runs/update", run_id=run, status=status)["run_info"]
        assert info["status"] == status
    assert mlflow.run(run)["info"]["status"] == last


def test_a_run_that_keepbest_trains_is_only_read_and_tagged(mlflow: Mlflow) -> None:
    run = mlflow.api.post("/runs", {"source": {"kind": "external"}, "project": "Default", "tags": ["a=b", "c"]})["id"]
    mlflow.post("/runs/set-tag", run_id=run, key="team", value="vision")
    tags = as_dict(mlflow.run(run)["data"]["tags"])
    assert (tags["a"], tags["c"], tags["team"]) == ("b", "", "vision")
    metric = {"run_id": run, "key": "loss", "value": 1, "timestamp": 1}
    assert "MLflow may read it" in mlflow.fail("POST", "/runs/log-metric", metric)[2]
    assert mlflow.find("tags.a = 'b' and tags.team = 'vision'") == [run]
