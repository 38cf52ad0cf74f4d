"""Rules of a project over the API, and the job that acts on them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest

from keepbest.status import Role
from tests.support.api import Api
from tests.support.store import begin, claim, later, submit_external
from tracker import db
from tracker.scheduler import jobs
from tracker.settings import TrackerSettings


def test_rules_are_put_and_shown_and_the_job_acts_once(api: Api) -> None:
    with db.write(api.engine) as conn:
        run = submit_external(conn, project="a/rules")
        begin(conn, claim(conn, run=run.id))
    put = api.call("PUT", "/rules/a/rules", {"max_seconds": 5}).get_json()
    assert put == api.get("/rules/a/rules")
    assert (put["max_seconds"], put["set_by"]) == (5, "a member")
    settings = TrackerSettings.load({})
    assert jobs.apply_rules(settings, api.engine, later(4)) == ""
    assert run.id in jobs.apply_rules(settings, api.engine, later(5))
    assert jobs.apply_rules(settings, api.engine, later(6)) == ""
    (command,) = api.get(f"/runs/{run.id}/commands")["commands"]
    assert command["arguments"]["reason"] == "max_seconds"


def test_rules_are_not_put_over_those_that_nobody_saw(api: Api) -> None:
    api.post("/projects", {"name": "p"})
    first = api.call("GET", "/rules/p").headers["ETag"]
    assert api.call("PUT", "/rules/p", {"max_steps": 7}, headers={"If-Match": first}).status_code == 200
    status, error = api.fail("PUT", "/rules/p", {"max_steps": 9}, headers={"If-Match": first})
    assert (status, error["code"]) == (412, "stale")
    assert api.get("/rules/p")["max_steps"] == 7
    now = api.call("GET", "/rules/p").headers["ETag"]
    for header in ({"If-Match": f'"other", W/{now}'}, {"If-Match": "*"}, {}):
        assert api.call("PUT", "/rules/p", {"max_steps": 7}, headers=header).status_code == 200


def test_of_two_who_put_rules_at_once_one_is_told(api: Api) -> None:
    api.post("/projects", {"name": "p"})
    for turn in range(1, 6):
        seen = {"If-Match": api.call("GET", "/rules/p").headers["ETag"]}
        with ThreadPoolExecutor(2) as pool:
            put = partial(api.call, "PUT", "/rules/p", headers=seen)
            asked = [pool.submit(put, {"max_steps": turn, "max_seconds": other}) for other in (1, 2)]
            answers = [one.result() for one in asked]
        assert sorted(answer.status_code for answer in answers) == [200, 412]
        taken = next(answer for answer in answers if answer.status_code == 200)
        assert api.get("/rules/p") == taken.get_json()


def test_a_stopper_as_one_writes_it(api: Api) -> None:
    api.post("/projects", {"name": "p"})
    put = api.call("PUT", "/rules/p", {"stopper": "700steps | max_seconds(60)"}).get_json()
    assert [part["params"] for part in put["stopper"]["policies"]] == [{"steps": 700}, {"seconds": 60}]
    status, error = api.fail("PUT", "/rules/p", {"stopper": "patience(7) | patiense(7)"})
    assert (status, error["field"].split(".")[0]) == (422, "stopper")
    assert "              ^" in error["message"]
    assert "Did you mean 'patience'?" in f"{error['message']} {error['hint']}"


WRONG = [
    {"median": {"form": "mean"}},
    {"median": {"startup_runs": 0}},
    {"max_steps": 0},
    {"max_seconds": "NaN"},
    {"stopper": {"name": "<script>"}},
    {"stopper": "patience(-1)"},
    {"stopper": ""},
    {"nonsense": 1},
]


@pytest.mark.parametrize("body", WRONG)
def test_what_is_wrong_is_refused(api: Api, body: object) -> None:
    api.post("/projects", {"name": "p"})
    assert api.fail("PUT", "/rules/p", body)[0] == 422
    assert api.get("/rules/p")["set_by"] is None


def test_a_viewer_reads_and_does_not_write(api: Api) -> None:
    api.post("/projects", {"name": "p"})
    assert api.get("/rules/p", role=Role.VIEWER)["median"] is None
    assert api.fail("PUT", "/rules/p", {}, role=Role.VIEWER)[0] == 403
    assert api.fail("PUT", "/rules/nowhere", {})[0] == 404
