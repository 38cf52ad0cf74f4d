"""Runs of other tools come in whole: once, however often they are sent, with their own moments and verdicts."""

from __future__ import annotations

import math
from typing import Any

import pytest

from keepbest.contract.batches import BATCH_MEDIA_TYPE
from keepbest.status import Role
from tests.support.api import Api
from tests.support.imports import FIRST, ORIGIN, a_metric, begin, finish, packed, send
from tracker.store.imports import judging

START, END = "2024-01-02T03:04:05Z", "2024-01-02T04:04:05Z"
PACKED = {"Content-Type": BATCH_MEDIA_TYPE}


def steps(api: Api, run: str) -> list[tuple[int, int]]:
    """Return segment and step of each validation."""
    return [(each["segment"], each["step"]) for each in api.get(f"/runs/{run}/validations")["validations"]]


def test_a_run_keeps_what_its_tool_says(api: Api) -> None:
    said = {"name": "old", "state": "failed", "message": "out of memory", "started_at": START, "ended_at": END}
    tags, notes = {"team": "vision", "mlflow.user": "eve"}, "as it was"
    parameters = {"rate": 0.1, "units": "64"}
    run = begin(api, **said, tags=tags, notes=notes, parameters=parameters)["run"]
    finish(api, run, state="failed", message="out of memory", ended_at=END)
    shown = api.get(f"/runs/{run}")
    assert [shown[name] for name in ("name", "state", "stop_reason", "created_by")] == [
        "old", "failed", "error", "a member"
    ]  # fmt: skip
    assert [shown[name] for name in ("created_at", "started_at", "ended_at")] == [START, START, END]
    assert (shown["error"]["message"], shown["notes"]) == ("out of memory", notes)
    assert (shown["spec"]["parameters"], shown["spec"]["source"]) == (
        parameters, {"kind": "external", "imported": ORIGIN}
    )  # fmt: skip
    assert len(api.get("/runs?project=digits&q=tags.team%20%3D%20vision")["runs"]) == 1
    assert api.get("/audit", role=Role.ADMIN)["entries"][0]["action"] == "run.import"


def test_points_come_once_however_often_they_are_sent(api: Api) -> None:
    run = begin(api)["run"]
    loss = a_metric("loss", [3.0, 2.0, math.nan, 1.0])
    assert [send(api, run, (loss, 0, 0)) for _ in range(2)] == [4, 0]
    assert send(api, run, (a_metric("loss", [1.0, 0.5], first=3), 3, 0)) == 1
    assert [each["count"] for each in api.get(f"/runs/{run}/metrics")["metrics"]] == [5]
    again = begin(api)
    assert (again["run"], again["is_new"], again["is_complete"]) == (run, False, False)
    assert again["metrics"] == [{"key": "loss", "count": 5, "segment": 0, "step": 4, "value": 0.5}]


def test_points_without_their_forerunners_are_refused(api: Api) -> None:
    run = begin(api)["run"]
    status, error = api.fail("POST", f"/imports/{run}/points", packed((a_metric("loss", [1.0]), 7, 0)), headers=PACKED)
    assert (status, error["code"], error["field"]) == (409, "batch_gap", "columns.offset")


def test_validations_show_the_metrics_of_their_step(api: Api) -> None:
    run = begin(api)["run"]
    send(api, run, (a_metric("val_loss", [0.9, 0.7, 0.8]), 0, 0))
    send(api, run, (a_metric("loss", [0.5, 0.4, 0.3]), 0, 0), (a_metric("late", [1.0], first=2), 0, 0))
    ended = finish(api, run)
    assert (ended["monitor"], ended["mode"], ended["validations"]) == ("val_loss", "min", 3)
    assert (ended["best_step"], ended["best_value"]) == (1, 0.7)
    shown = api.get(f"/runs/{run}/validations")["validations"]
    assert [each["metrics"] for each in shown] == [{"loss": 0.5}, {"loss": 0.4}, {"late": 1.0, "loss": 0.3}]
    assert shown[0]["at"] == "2023-11-14T22:13:20Z"
    whole = api.get(f"/runs/{run}")
    assert (whole["validations"], whole["last_value"], whole["best_value"]) == (3, 0.8, 0.7)
    assert (whole["started_at"], whole["state"]) == (None, "finished")


def test_a_source_that_grew_is_judged_further(api: Api) -> None:
    run = begin(api, tags={"keepbest.stopper": "patience(2)"})["run"]
    send(api, run, (a_metric("val_loss", [0.5, 0.6]), 0, 0))
    assert [finish(api, run)["validations"] for _ in range(2)] == [2, 2]
    send(api, run, (a_metric("val_loss", [0.7, 0.4], first=2, at=FIRST + 2), 2, 0))
    assert finish(api, run)["validations"] == 4
    shown = api.get(f"/runs/{run}/validations")["validations"]
    stops = [each["step"] for each in shown if any(verdict["would_stop"] for verdict in each["decision"]["verdicts"])]
    assert (stops, api.get(f"/runs/{run}")["best_step"]) == ([2], 3)


def test_a_script_that_went_on_earlier_opens_a_segment(api: Api) -> None:
    run = begin(api)["run"]
    first, later = a_metric("val_loss", [4.0, 3.0, 2.0]), a_metric("val_loss", [2.5, 1.0], first=2, at=FIRST + 9)
    send(api, run, (a_metric("loss", [1.0, 1.0, 1.0]), 0, 0), (first, 0, 0), (later, 3, 1))
    finish(api, run)
    assert steps(api, run) == [(0, 0), (0, 1), (0, 2), (1, 2), (1, 3)]
    opened = [(each["reason"], each["start_step"]) for each in api.get(f"/runs/{run}/segments")["segments"]]
    assert opened == [("start", 0), ("resume", 1)]
    ghosts = [each["ghost"] for each in api.get(f"/runs/{run}/validations")["validations"]]
    assert ghosts == [False, False, True, False, False]


def test_equal_steps_are_validations_of_their_own(api: Api) -> None:
    run = begin(api)["run"]
    points = [a_metric("val_loss", [value], at=FIRST + value) for value in (3.0, 2.0, 1.0)]
    for offset, each in enumerate(points):
        send(api, run, (each, offset, 0))
    finish(api, run)
    assert steps(api, run) == [(0, 0), (0, 1), (0, 2)]


def test_many_validations_are_judged_in_pieces(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(judging, "PIECE", 3)
    monkeypatch.setattr(judging, "MAX_JUDGED", 8)
    run = begin(api)["run"]
    values = [10.0 - step for step in range(10)]
    send(api, run, (a_metric("val_loss", values), 0, 0))
    first = api.post(f"/imports/{run}/end", {})
    assert (first["left"], first["validations"]) == (5, 3)
    assert not begin(api)["is_complete"]
    ended = finish(api, run)
    assert (ended["validations"], ended["unjudged"], ended["best_step"]) == (8, 2, 7)
    assert begin(api)["is_complete"]


def test_a_monitor_that_is_named_is_judged(api: Api) -> None:
    run = begin(api, monitor="dice", mode="max")["run"]
    send(api, run, (a_metric("val_loss", [1.0]), 0, 0), (a_metric("dice", [0.2, 0.9, 0.5]), 0, 0))
    ended = finish(api, run)
    assert (ended["monitor"], ended["mode"], ended["best_step"]) == ("dice", "max", 1)


def test_without_a_monitor_values_are_points(api: Api) -> None:
    run = begin(api)["run"]
    send(api, run, (a_metric("reward", [1.0, 2.0]), 0, 0))
    ended = finish(api, run)
    assert (ended["monitor"], ended["validations"], ended["left"]) == (None, 0, 0)
    assert begin(api)["is_complete"]


def test_the_same_source_is_a_run_of_each_project(api: Api) -> None:
    here = begin(api)["run"]
    there = begin(api, project="others")["run"]
    assert here != there
    assert begin(api, origin={**ORIGIN, "source": "run-2"})["run"] not in (here, there)
    again = begin(api, again=True)
    assert again["is_new"] is True
    assert begin(api)["run"] == again["run"]


def test_a_parent_is_named_by_its_run_here(api: Api) -> None:
    parent = begin(api)["run"]
    child = begin(api, origin={**ORIGIN, "source": "run-2"}, parent="run-1")["run"]
    wanted = f"/runs?project=digits&q=tags.mlflow.parentRunId%20%3D%20{parent}"
    assert [run["id"] for run in api.get(wanted)["runs"]] == [child]


def test_what_people_changed_here_stays(api: Api) -> None:
    begin(api, tags={"team": "red"}, notes="old", parameters={"rate": 0.1})
    again = begin(api, tags={"team": "blue", "new": "1"}, notes="new", parameters={"rate": 0.2, "units": 3})
    shown = api.get(f"/runs/{again['run']}")
    assert (shown["notes"], shown["spec"]["parameters"]) == ("old", {"rate": 0.1, "units": 3})
    assert len(api.get("/runs?project=digits&q=tags.team%20%3D%20red")["runs"]) == 1
    assert len(api.get("/runs?project=digits&q=tags.new%20%3D%201")["runs"]) == 1


def test_a_deleted_run_stays_deleted(api: Api) -> None:
    run = begin(api)["run"]
    api.call("DELETE", f"/runs/{run}")
    status, error = api.fail("POST", "/imports", {"origin": ORIGIN, "project": "digits"})
    assert (status, error["code"]) == (404, "run_deleted")
    assert run in error["hint"]


def test_a_run_that_went_on_here_takes_no_more(api: Api) -> None:
    run = begin(api)["run"]
    finish(api, run)
    api.post("/leases", {"run": run})
    status, error = api.fail("POST", f"/imports/{run}/end", {})
    assert (status, "--again" in error["hint"]) == (409, True)


def test_a_source_that_ended_otherwise_changes_the_state(api: Api) -> None:
    run = begin(api, state="cancelled", message="it still runs")["run"]
    finish(api, run, state="cancelled", message="it still runs")
    begin(api, state="finished")
    finish(api, run, state="finished", ended_at=END)
    shown = api.get(f"/runs/{run}")
    assert (shown["state"], shown["stop_message"], shown["ended_at"]) == ("finished", None, END)


@pytest.mark.parametrize(
    ("said", "field"),
    [
        ({"state": "running"}, "state"),
        ({"origin": {**ORIGIN, "kind": "excel"}}, "origin.kind"),
        ({"origin": {**ORIGIN, "source": ""}}, "origin.source"),
        ({"project": "../up"}, "project"),
        ({"tags": {"k" * 300: ""}}, "tags"),
        ({"parameters": {str(place): 1 for place in range(1001)}}, "parameters"),
        ({"datasets": [{"name": "a", "digest": "b" * 40, "document": {}}]}, "datasets.0.digest"),
        ({"started_at": "9999-01-01T00:00:00Z"}, "started_at"),
        ({"odd": 1}, "odd"),
    ],
)
def test_a_wrong_field_is_named(api: Api, said: dict[str, Any], field: str) -> None:
    status, error = api.fail("POST", "/imports", {"origin": ORIGIN, "project": "digits", **said})
    assert (status, (error["field"] or "").startswith(field)) == (422, True)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b"", None),
        (b"{}", None),
        (packed((a_metric("loss", [1.0]), 0, 0))[:-1], "columns.0"),
        (packed((a_metric("loss", [1.0]), -1, 0)), "columns.0.offset"),
        (packed((a_metric("loss", [1.0]), 0, 1000)), "columns.0.segment"),
        (packed((a_metric("loss", [1.0], first=-5), 0, 0)), "columns.0.steps"),
        (packed((a_metric("loss", [1.0], at=math.inf), 0, 0)), "columns.0.times"),
        (packed((a_metric("k" * 201, [1.0]), 0, 0)), "columns.0.key"),
    ],
)
def test_a_wrong_batch_is_refused(api: Api, body: bytes, field: str | None) -> None:
    run = begin(api)["run"]
    status, error = api.fail("POST", f"/imports/{run}/points", body, headers=PACKED)
    assert (status, error["field"]) == (422, field)


def test_a_run_that_was_not_imported_takes_no_points(api: Api) -> None:
    run = api.post("/runs", {"source": {"kind": "external"}, "mode": "min"})["id"]
    for path in (f"/imports/{run}/end", "/imports/zzzzzzzzzzzz/end"):
        assert api.fail("POST", path, {})[0] == 404


@pytest.mark.parametrize("role", [Role.VIEWER, Role.WORKER])
def test_only_members_import(api: Api, role: Role) -> None:
    assert api.fail("POST", "/imports", {"origin": ORIGIN, "project": "digits"}, role=role)[0] == 403
