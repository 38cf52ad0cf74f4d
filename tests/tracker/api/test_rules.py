"""Rules of a project over the API, and the job that acts on them."""

from __future__ import annotations

import pytest

from keepbest.status import Role
from tests.support.api import Api
from tests.support.store import begin, claim, later, submit_external
from tracker import db, jobs
from tracker.settings import Settings


def test_rules_are_put_and_shown_and_the_job_acts_once(api: Api) -> None:
    with db.write(api.engine) as conn:
        run = submit_external(conn, project="a/rules")
        begin(conn, claim(conn, run=run.id))
    put = api.call("PUT", "/rules/a/rules", {"max_seconds": 5}).get_json()
    assert put == api.get("/rules/a/rules")
    assert (put["max_seconds"], put["set_by"]) == (5, "a member")
    settings = Settings.load({})
    assert jobs.apply_rules(settings, api.engine, later(4)) == ""
    assert run.id in jobs.apply_rules(settings, api.engine, later(5))
    assert jobs.apply_rules(settings, api.engine, later(6)) == ""
    (command,) = api.get(f"/runs/{run.id}/commands")["commands"]
    assert command["arguments"]["reason"] == "max_seconds"


WRONG = [
    {"median": {"form": "mean"}},
    {"median": {"startup_runs": 0}},
    {"max_steps": 0},
    {"max_seconds": "NaN"},
    {"stopper": {"name": "<script>"}},
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
