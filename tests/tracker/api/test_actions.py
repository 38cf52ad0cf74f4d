"""One action on many runs: one result each; and the queue, in the order that priorities make."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest
from sqlalchemy import select

from keepbest.contract.actions import QueuePlace
from keepbest.status import Role
from tests.support.api import Api
from tests.support.store import NOW, begin, claim, hello, submit
from tests.tracker.store.metrics.test_metrics import points
from tracker import db
from tracker.models import MetricSummaryTable, RunParameterTable, RunTable, RunTagTable
from tracker.store import moves, queue, runs
from tracker.store.metrics import metrics
from tracker.store.metrics.metrics import Column

ABSENT = "0" * 12
MERGED = [
    ("tag", {"tags": ["b", "c"]}, ["a", "b", "c"]),
    ("untag", {"tags": ["a", "b"]}, ["c"]),
    ("tag", {"tags": ["team=red"]}, ["c", "team=red"]),
    ("tag", {"tags": ["team=blue"]}, ["c", "team=blue"]),
    ("untag", {"tags": ["team"]}, ["c"]),
]


def act(api: Api, runs: list[str], action: str, **more: Any) -> list[tuple[bool, str | None]]:
    results = api.post("/runs/actions", {"runs": runs, "action": action, **more})["results"]
    assert [result["run"] for result in results] == runs
    return [(result["is_done"], result["state"]) for result in results]


@pytest.fixture
def queued(api: Api) -> list[str]:
    with db.write(api.engine) as conn:
        return [submit(conn, tags=["a"]).id for _ in range(3)]


def test_each_run_gets_its_own_result(api: Api, queued: list[str]) -> None:
    first, second, third = queued
    with db.write(api.engine) as conn:
        held = begin(conn, claim(conn, hello(conn))).id
    assert held == first
    assert act(api, [first, second, ABSENT], "cancel") == [(True, "running"), (True, "cancelled"), (False, None)]
    assert act(api, [first, second, third], "delete") == [(False, None), (True, None), (True, None)]
    assert act(api, [second, third], "undelete") == [(True, "cancelled"), (True, "cancelled")]
    assert act(api, [first, second], "stop") == [(True, "running"), (False, None)]
    assert act(api, [first], "pause") == [(True, "running")]
    refused = api.post("/runs/actions", {"runs": [second], "action": "pause"})["results"][0]
    assert "takes no more commands" in refused["message"]
    assert refused["hint"]


def test_tags_are_added_and_taken_away(api: Api, queued: list[str]) -> None:
    for action, more, expected in MERGED:
        act(api, queued, action, **more)
        assert [api.get(f"/runs/{run}")["tags"] for run in queued] == [expected] * 3, action


def test_the_queue_is_in_the_order_of_priorities(api: Api, queued: list[str]) -> None:
    assert act(api, queued[2:], "priority", priority=5) == [(True, "queued")]
    assert api.call("PATCH", f"/runs/{queued[0]}", {"priority": -1}).get_json()["priority"] == -1
    queue = api.get("/queue?limit=2", role=Role.VIEWER)
    assert ([run["id"] for run in queue["runs"]], queue["total"]) == ([queued[2], queued[1]], 3)
    with db.write(api.engine) as conn:
        worker = hello(conn, slots=3)
        assert [claim(conn, worker).run.id for _ in queued] == [queued[2], queued[1], queued[0]]
    act(api, queued[:1], "cancel")


def place(api: Api, run: str, **where: str) -> list[str]:
    """Place a run, and return the ids of the queue."""
    assert api.call("PUT", f"/queue/{run}", where).status_code == 200
    return [run["id"] for run in api.get("/queue")["runs"]]


def test_a_run_is_placed_before_or_after_another(api: Api, queued: list[str]) -> None:
    first, second, third = queued
    assert place(api, third, before=first) == [third, first, second]
    assert place(api, third, after=first) == [first, third, second]
    assert place(api, first, after=second) == [third, second, first]
    with db.write(api.engine) as conn:
        newest = submit(conn).id
    assert place(api, third, before=newest) == [second, first, third, newest]
    assert {run["priority"] for run in api.get("/queue")["runs"]} == {0}
    with db.write(api.engine) as conn:
        worker = hello(conn, slots=4)
        assert [claim(conn, worker).run.id for _ in range(4)] == [second, first, third, newest]


def test_a_placed_run_takes_the_priority_of_the_other(api: Api, queued: list[str]) -> None:
    act(api, queued[:1], "priority", priority=7)
    assert place(api, queued[2], after=queued[0]) == [queued[0], queued[2], queued[1]]
    assert [run["priority"] for run in api.get("/queue")["runs"]] == [7, 7, 0]
    entry = api.get("/audit", role=Role.ADMIN)["entries"][0]
    assert (entry["action"], entry["detail"]) == ("run.place", {"after": queued[0], "priority": 7})


def test_any_number_of_moves_keeps_the_order(api: Api, queued: list[str]) -> None:
    with db.write(api.engine) as conn:
        expected = [*queued, *(submit(conn).id for _ in range(3))]
        random = Random(7)
        for number in range(200):
            run, other = random.sample(expected[:3] if number % 2 else expected, 2)
            is_before = random.random() < 0.5
            where = QueuePlace(before=other) if is_before else QueuePlace(after=other)
            queue.place_run(conn, run, where, user="ada", now=NOW)
            expected.remove(run)
            expected.insert(expected.index(other) + (not is_before), run)
            assert [run.id for run in queue.list_queue(conn, 10).runs] == expected
        newest = submit(conn).id
        assert [run.id for run in queue.list_queue(conn, 10).runs] == [*expected, newest]


def test_a_run_without_a_place_in_the_queue_is_refused(api: Api, queued: list[str]) -> None:
    first, second, third = queued
    act(api, [third], "cancel")
    for run, where, status in (
        (first, {"before": first}, 409),
        (first, {"before": ""}, 422),
        (first, {"before": third}, 409),
        (third, {"before": first}, 409),
        (first, {"before": ABSENT}, 404),
        (first, {}, 422),
        (first, {"before": second, "after": second}, 422),
    ):
        assert api.fail("PUT", f"/queue/{run}", where)[0] == status, where
    assert api.fail("PUT", f"/queue/{first}", {"before": second}, role=Role.VIEWER)[0] == 403


def test_a_run_that_has_ended_has_no_place_in_the_queue(api: Api, queued: list[str]) -> None:
    act(api, queued[:1], "cancel")
    assert act(api, queued[:2], "priority", priority=5) == [(False, None), (True, "queued")]


def test_a_moved_run_is_found_in_its_new_project(api: Api, queued: list[str]) -> None:
    with db.write(api.engine) as conn:
        other = submit(conn, project="letters", parameters={"units": 64})
        run = runs.get_run(conn, queued[1])
        metrics.add_columns(conn, run, [Column(0, "loss", points([1], [0.5]))], newest=True)
        moved = moves.move_to_project(conn, run, "letters", user="ada", now=NOW)
        assert (moved.project, moved.number, moved.spec["project"]) == ("letters", other.number + 1, "letters")
        for table in (RunParameterTable, RunTagTable, MetricSummaryTable):
            where = select(table.project_pk).where(table.run_pk == run.pk)
            assert set(conn.execute(where).scalars()) == {other.project_pk}, table
    listed = [{run["id"] for run in api.get(f"/runs?project={name}")["runs"]} for name in ("letters", "default")]
    assert listed == [{other.id, queued[1]}, {queued[0], queued[2]}]
    kinds = [event["kind"] for event in api.get("/events?after=0")["events"] if event["run"] == queued[1]]
    assert kinds[-2:] == ["run.moved", "run.created"]


def test_a_run_that_trains_or_is_a_trial_stays(api: Api, queued: list[str]) -> None:
    with db.write(api.engine) as conn:
        begin(conn, claim(conn, hello(conn)))
        conn.execute(RunTable.__table__.update().where(RunTable.id == queued[1]).values(sweep_pk=1))  # type: ignore[attr-defined]
    answer = act(api, queued, "move", project="letters")
    assert answer == [(False, None), (False, None), (True, "queued")]


def test_an_action_reaches_the_runs_that_fit_a_filter(api: Api, queued: list[str]) -> None:
    with db.write(api.engine) as conn:
        other = submit(conn, tags=["a"], project="letters").id
        last = submit(conn).id
    asked: dict[str, Any] = {
        "action": "tag",
        "tags": ["b"],
        "filter": {"project": "default", "q": "tag = a", "limit": 2},
    }
    first = api.post("/runs/actions", asked)
    assert ([result["run"] for result in first["results"]], first["more"]) == ([queued[2], queued[1]], 1)
    asked["filter"]["cursor"] = first["cursor"]
    second = api.post("/runs/actions", asked)
    assert [result["run"] for result in second["results"]] == [queued[0]]
    assert (second["more"], second["more_is_least"], second["cursor"]) == (0, False, None)
    tagged = {
        run["id"] for project in ("default", "letters") for run in api.get(f"/runs?project={project}&q=tag=b")["runs"]
    }
    assert tagged == set(queued)
    assert {other, last} & tagged == set()


def test_a_filter_that_matches_nothing_does_nothing(api: Api, queued: list[str]) -> None:
    asked = {"action": "cancel", "filter": {"project": "default", "q": "tag = none-such"}}
    assert api.post("/runs/actions", asked)["results"] == []


def test_a_filter_that_is_none_is_refused(api: Api, queued: list[str]) -> None:
    given: list[tuple[dict[str, Any], int, str | None]] = [
        ({"filter": {"project": "default", "q": " "}}, 422, "filter.q"),
        ({"filter": {"project": "default", "q": "loss <"}}, 422, None),
        ({"filter": {"project": "none", "q": "tag = a"}}, 404, "project"),
        ({"filter": {"q": "tag = a"}}, 422, "filter.project"),
        ({"filter": {"project": "default", "q": "tag = a", "cursor": "x"}}, 422, "cursor"),
        ({"filter": {"project": "default", "q": "tag = a"}, "runs": queued}, 422, None),
        ({"filter": {"project": "default", "q": "tag = a"}, "action": "undelete"}, 422, None),
        ({}, 422, None),
    ]
    for asked, status, field in given:
        seen, error = api.fail("POST", "/runs/actions", {"action": "cancel", **asked})
        assert seen == status, asked
        assert field is None or error["field"] == field, asked
    assert {run["state"] for run in api.get("/runs")["runs"]} == {"queued"}


REFUSED: list[tuple[dict[str, Any], str | None]] = [
    ({"action": "explode"}, "action"),
    ({"action": "move"}, None),
    ({"action": "stop", "priority": 1}, None),
    ({"action": "tag", "tags": ["a"] * 51}, "tags"),
    ({"action": "priority", "priority": 101}, "priority"),
    ({"action": "stop", "runs": []}, None),
    ({"action": "stop", "runs": ["a"] * 501}, "runs"),
]


def test_an_action_without_what_it_needs_is_refused(api: Api, queued: list[str]) -> None:
    for asked, field in REFUSED:
        status, error = api.fail("POST", "/runs/actions", {"runs": queued, **asked})
        assert (status, error["field"]) == (422, field), asked
    asked = {"runs": queued, "action": "cancel"}
    assert api.fail("POST", "/runs/actions", asked, role=Role.VIEWER)[0] == 403
