"""Events over the API: pages that go on from a number, and the same objects as a stream."""

from __future__ import annotations

import json
from itertools import islice
from typing import Any

import pytest

from keepbest.status import Role
from tests.support.api import Api
from tests.support.trainer import start_external
from tracker import db
from tracker.api import events as events_api
from tracker.store import events


def test_without_a_number_one_learns_where_to_go_on(api: Api) -> None:
    start_external(api)
    page = api.get("/events")
    assert page["events"] == []
    assert api.get(f"/events?after={page['next']}") == {"events": [], "next": page["next"], "gap": False}


def test_a_training_tells_what_happens(api: Api) -> None:
    begin = api.get("/events")["next"]
    trainer = start_external(api)
    point = trainer.checkpoint(100, 0.9)
    trainer.say(validations=[trainer.report_validation(100, 0.9)], checkpoints=[point])
    page = api.get(f"/events?after={begin}")
    assert {event["run"] for event in page["events"]} == {trainer.run}
    told = {event["kind"]: event["data"] for event in page["events"]}
    assert {
        "run.created",
        "run.state",
        "run.segment",
        "run.progress",
        "run.validation",
        "run.checkpoint",
        "run.best",
    } <= set(told)
    assert told["run.best"] == {"best_value": 0.9, "best_step": 100, "best_checkpoint": point["id"]}
    assert (told["run.progress"]["step"], told["run.progress"]["validations"]) == (100, 1)
    assert told["run.validation"] == {
        "segment": 0, "step": 100, "value": 0.9, "count": 1, "improved": False, "stop": False,
    }  # fmt: skip


def test_points_alone_make_an_event_a_fifth_of_a_second(api: Api) -> None:
    trainer = start_external(api)
    begin = api.get("/events")["next"]
    for step in range(10):
        api.wait(0.05)
        trainer.log("loss", [step], [1.0])
    steps = [event["data"]["step"] for event in api.get(f"/events?after={begin}")["events"]]
    assert len(steps) <= 3


def test_pages_and_filters(api: Api) -> None:
    one, two = start_external(api, project="one"), start_external(api, project="two")
    first = api.get("/events?after=0&limit=2")
    assert (len(first["events"]), first["next"]) == (2, first["events"][-1]["seq"])
    seen = [event["run"] for event in api.get(f"/events?after=0&run={one.run[:6]}")["events"]]
    assert set(seen) == {one.run}
    assert {event["run"] for event in api.get("/events?after=0&project=two")["events"]} == {two.run}
    assert api.fail("GET", "/events?after=0&run=zzzz")[0] == 404


def test_a_gap_is_told(api: Api) -> None:
    start_external(api)
    start_external(api)
    with db.write(api.engine) as conn:
        events.prune(conn, api.wait(1))
    pruned = api.get("/events?after=1")
    assert (pruned["gap"], pruned["events"]) == (True, [])
    ahead = api.get("/events?after=100000")  # from a database that was put back from a backup
    assert (ahead["gap"], ahead["next"]) == (True, pruned["next"])


def frames(api: Api, query: str, count: int, **headers: str) -> list[bytes]:
    answer = api.call("GET", f"/stream{query}", headers=headers)
    assert answer.headers["Content-Type"] == "text/event-stream"
    found = list(islice(answer.iter_encoded(), count))
    answer.close()
    return found


def objects(frame: bytes) -> list[Any]:
    return [json.loads(line[6:]) for line in frame.decode().splitlines() if line.startswith("data: ")]


def test_a_stream_goes_on_after_the_last_event_seen(api: Api) -> None:
    trainer = start_external(api)
    page = api.get("/events?after=0")["events"]
    hello, told = frames(api, "?after=0", 2)
    assert hello == b"retry: 1000\n\n"
    assert objects(told) == page
    assert told.startswith(b"id: %d\n" % page[0]["seq"])
    _, rest = frames(api, "?after=0", 2, **{"Last-Event-ID": str(page[1]["seq"])})
    assert objects(rest) == page[2:]
    _, mine = frames(api, f"?after=0&run={trainer.run}", 2)
    assert len(objects(mine)) == len(page)


def test_a_silent_stream_shows_that_it_lives(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events_api, "HEARTBEAT", 0.01)
    assert frames(api, "", 3)[1:] == [b": still here\n\n"] * 2


def test_a_stream_ends_so_no_revoked_token_listens_for_ever(api: Api) -> None:
    answer = api.call("GET", "/stream")
    stream = iter(answer.response)
    next(stream)
    api.wait(events_api.STREAM_SECONDS)
    assert list(stream) == []


def test_past_the_limit_streams_are_refused_and_pages_answer(api: Api) -> None:
    hub = api.app.extensions["keepbest"].hub
    hub._most = 2
    open_ones = [api.call("GET", "/stream") for _ in range(2)]
    refused = api.call("GET", "/stream")
    assert (refused.status_code, refused.headers["Retry-After"]) == (503, "5")
    assert api.get("/events")["gap"] is False
    open_ones[0].close()
    api.call("GET", "/stream").close()
    open_ones[1].close()


def test_a_stream_that_was_never_read_gives_its_place_back(api: Api) -> None:
    hub = api.app.extensions["keepbest"].hub
    hub._most = 1
    for _ in range(3):
        unread = api.call("GET", "/stream")
        assert unread.status_code == 200
        unread.close()


def test_health_says_little_and_is_open(api: Api) -> None:
    health = api.get("/health", role=None)
    assert (health["status"], health["schema_revision"]) == ("ok", db.REVISION)


def test_a_viewer_sees_events(api: Api) -> None:
    assert api.get("/events", role=Role.VIEWER)["gap"] is False
