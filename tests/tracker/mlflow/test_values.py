"""Values that arrive in any order, at any step, again and again: what is kept, and what a client reads of it."""

from __future__ import annotations

from typing import Any

import pytest

from keepbest.errors import InvalidInput
from tests.support.mlflow import Mlflow, as_dict
from tests.support.store import NOW
from tracker import db
from tracker.db import Connection
from tracker.store import events, leases
from tracker.store.metrics import compaction, histories
from tracker.store.metrics.chunks import PointColumns
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


#: What is wrong with a batch, and where: the last thing that is looked at in each of its parts.
WRONG: list[tuple[dict[str, Any], str]] = [
    ({"params": [{"key": "new", "value": "1"}, {"key": "lr", "value": "2"}]}, "Changing param values is not allowed"),
    ({"tags": [{"key": f"t{n}", "value": "x"} for n in range(3)]}, "at most 4 tags"),
]


@pytest.mark.parametrize(("wrong", "says"), WRONG)
def test_a_batch_is_taken_whole_or_not_at_all(
    mlflow: Mlflow, wrong: dict[str, Any], says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tracker.store.reported.keyed_tags.MAX_TAGS", 4)
    run = mlflow.begin()  # which has two tags already: its user and its name
    mlflow.post("/runs/log-parameter", run_id=run, key="lr", value="1")
    before = mlflow.run(run)
    good: dict[str, Any] = {
        "metrics": [{"key": "val_loss", "value": 1.0, "timestamp": 1, "step": 0}],
        "params": [{"key": "units", "value": "64"}],
        "tags": [{"key": "mlflow.note.content", "value": "why"}, {"key": "a", "value": "b"}],
    }
    status, code, message = mlflow.fail("POST", "/runs/log-batch", {"run_id": run, **good, **wrong})
    assert (status, code, says in message) == (400, "INVALID_PARAMETER_VALUE", True)
    assert mlflow.run(run) == before
    assert mlflow.history(run, "val_loss") == []
    mlflow.post("/runs/log-batch", run_id=run, **good)
    data = mlflow.run(run)["data"]
    assert as_dict(data["params"]) == {"lr": "1", "units": "64"}
    assert as_dict(data["metrics"]) == {"val_loss": 1.0}
    assert as_dict(data["tags"])["mlflow.note.content"] == "why"


def test_values_that_cannot_be_judged_leave_no_params(mlflow: Mlflow, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise InvalidInput("no such value")

    run = mlflow.begin()
    monkeypatch.setattr("tracker.store.reported.shadow.judge", fail)
    metrics = [{"key": "val_loss", "value": 1.0, "timestamp": 1, "step": 0}]
    given = {"run_id": run, "metrics": metrics, "params": [{"key": "units", "value": "64"}], "tags": []}
    assert mlflow.fail("POST", "/runs/log-batch", given)[0] == 400
    data = mlflow.run(run)["data"]
    assert (data["params"], data["metrics"], mlflow.history(run, "val_loss")) == ([], [], [])


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


def test_several_histories_stop_at_their_limit(mlflow: Mlflow, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = sorted([mlflow.begin(), mlflow.begin()])
    for run in (first, second):
        for step in range(5):
            mlflow.log(run, "loss", step / 2, step=step, at=step)
    reads: list[int] = []
    read = histories.read_history

    def read_one(conn: Connection, run_pk: int, key: str) -> PointColumns:
        reads.append(run_pk)
        return read(conn, run_pk, key)

    monkeypatch.setattr(histories, "read_history", read_one)
    given: dict[str, Any] = {"run_id": [second, first], "metric_key": "loss", "max_results": 5}
    points = mlflow.get("/metrics/get-history-bulk", **given)["metrics"]
    assert {point["run_id"] for point in points} == {first}
    assert len(reads) == 1  # the second run's history is not even read


def test_an_interval_has_the_steps_of_all_runs_together(mlflow: Mlflow, monkeypatch: pytest.MonkeyPatch) -> None:
    odd, even = sorted([mlflow.begin(), mlflow.begin()])
    for step in range(10):
        mlflow.log(odd if step % 2 else even, "loss", float(step), step=step, at=step)
    given: dict[str, Any] = {"run_ids": [even, odd], "metric_key": "loss"}
    some = mlflow.get("/metrics/get-history-bulk-interval", **given, max_results=4)["metrics"]
    assert [(point["run_id"], point["step"]) for point in some] == [(odd, 3), (odd, 9), (even, 0), (even, 6)]
    monkeypatch.setattr("tracker.mlflow.metrics.MAX_PAGE", 7)
    whole = mlflow.get("/metrics/get-history-bulk-interval", **given)["metrics"]
    assert [(point["run_id"], point["step"]) for point in whole] == [
        *((odd, step) for step in (1, 3, 5, 7, 9)), (even, 0), (even, 2),
    ]  # fmt: skip


def test_an_intervals_runs_have_one_budget(mlflow: Mlflow, monkeypatch: pytest.MonkeyPatch) -> None:
    runs = [mlflow.begin(), mlflow.begin()]
    for run in runs:
        for step in range(3):
            mlflow.log(run, "loss", 0.5, step=step, at=step)
    monkeypatch.setattr(histories, "MAX_READ", 5)
    assert len(mlflow.history(runs[0], "loss")) == 3
    given = {"run_ids": runs, "metric_key": "loss"}
    status, _, message = mlflow.fail("GET", "/metrics/get-history-bulk-interval", given)
    assert (status, "more than 5 points" in message) == (413, True)


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


#: What a script may say beside values, and the fields of it.
WORDS: list[tuple[str, dict[str, Any]]] = [
    ("/runs/log-parameter", {"key": "lr", "value": "1"}),
    ("/runs/set-tag", {"key": "team", "value": "vision"}),
    ("/runs/delete-tag", {"key": "mlflow.user"}),
    ("/runs/log-batch", {"params": [{"key": "lr", "value": "1"}]}),
    ("/runs/log-batch", {"tags": [{"key": "team", "value": "vision"}]}),
    ("/runs/log-inputs", {"datasets": []}),
]


@pytest.mark.parametrize(("path", "word"), WORDS)
def test_any_word_keeps_a_run_and_brings_it_back(mlflow: Mlflow, path: str, word: dict[str, Any]) -> None:
    def wait(run: str, seconds: float) -> str:
        with db.write(mlflow.api.engine) as conn:
            leases.shorten_leases(conn, seconds=30, now=mlflow.api.wait(seconds))
            leases.expire_leases(conn, mlflow.api.now)
        return str(mlflow.run(run)["info"]["status"])

    kept, lost = mlflow.begin(), mlflow.begin()
    assert (wait(kept, 80_000), wait(lost, 0)) == ("RUNNING", "RUNNING")
    mlflow.post(path, run_id=kept, **word)
    assert (wait(kept, 80_000), wait(lost, 0)) == ("RUNNING", "FAILED")
    mlflow.post(path, run_id=lost, **word)
    assert mlflow.run(lost)["info"]["status"] == "RUNNING"


def test_a_word_about_a_run_that_has_ended_leaves_it_so(mlflow: Mlflow) -> None:
    run = mlflow.begin()
    mlflow.post("/runs/update", run_id=run, status="FAILED", end_time=9_000)
    mlflow.post("/runs/set-tag", run_id=run, key="team", value="vision")
    assert mlflow.run(run)["info"]["status"] == "FAILED"


def test_an_event_carries_the_new_params_and_the_new_name(mlflow: Mlflow) -> None:
    run = mlflow.begin(run_name="first")
    mlflow.post("/runs/log-batch", run_id=run, params=[{"key": "long", "value": "x" * 6000}])
    mlflow.post("/runs/log-parameter", run_id=run, key="lr", value="0.1")
    mlflow.post("/runs/update", run_id=run, run_name="second")
    mlflow.post("/runs/set-tag", run_id=run, key="mlflow.runName", value="second")
    with db.read(mlflow.api.engine) as conn:
        told = [(event.kind, event.data) for event in events.read_events(conn, 0, events.max_seq(conn), limit=100)]
    assert told[-2:] == [("run.progress", {"parameters": {"lr": "0.1"}}), ("run.changed", {"name": "second"})]
    assert mlflow.api.get(f"/runs/{run}")["name"] == "second"


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
