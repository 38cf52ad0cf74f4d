"""The routes of forks, of ended runs that go on, and of deleted ones that come back: status and shape."""

from __future__ import annotations

import pytest

from keepbest.status import Role
from tests.support.api import Api
from tests.support.store import CNN

RUN = {"source": {"kind": "recipe", "name": "hvass-cnn"}}


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """What is tested here does not depend on the database."""
    return sqlite_url


@pytest.fixture
def run(api: Api) -> str:
    """A run of an announced recipe, cancelled before it began."""
    said = {"id": "w" * 12, "name": "mill", "host": "mill.local", "pid": 7, "version": "0.1", "slots": 1}
    api.call("PUT", f"/workers/{'w' * 12}", {**said, "recipes": [CNN.model_dump(mode="json")]}, role=Role.WORKER)
    made = str(api.post("/runs", RUN)["id"])
    api.post(f"/runs/{made}/cancel")
    return made


def test_an_ended_run_goes_on(api: Api, run: str) -> None:
    queued = api.post(f"/runs/{run}/resume", {"max_steps": 7})
    assert (queued["state"], queued["ended_at"], queued["max_steps"]) == ("queued", None, 7)
    status, error = api.fail("POST", f"/runs/{run}/resume")
    assert (status, error["code"]) == (409, "conflict")
    taken = api.post("/leases", {"worker": "w" * 12}, role=Role.WORKER)
    assert (taken["run"]["id"], taken["run"]["max_steps"], taken["resume"]) == (run, 7, None)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"to": "worst"}, "to"),
        ({"learning_rate": "1e-3; rm"}, "learning_rate"),
        ({"step": -1}, "step"),
        ({"checkpoint": "../../x"}, "checkpoint"),
        ({"to": "best", "checkpoint": "z" * 12}, "checkpoint"),
        ({"nonsense": 1}, "nonsense"),
    ],
)
def test_a_wrong_request_names_its_field(api: Api, run: str, body: dict[str, object], field: str) -> None:
    for verb in ("resume", "fork"):
        status, error = api.fail("POST", f"/runs/{run}/{verb}", body)
        assert (status, error["field"]) == (422, field), error


def test_a_run_without_checkpoints_is_not_forked(api: Api, run: str) -> None:
    status, error = api.fail("POST", f"/runs/{run}/fork")
    assert (status, error["code"], "none yet" in error["message"]) == (404, "not_found", True)
    assert api.fail("POST", f"/runs/{run}/fork", key="x" * 201)[1]["field"] == "Idempotency-Key"
    assert api.get("/runs?count=true")["total"] == 1


def test_a_deleted_run_comes_back(api: Api, run: str) -> None:
    assert api.fail("POST", f"/runs/{run}/undelete")[0] == 404
    api.call("DELETE", f"/runs/{run}")
    back = api.post(f"/runs/{run[:5]}/undelete")
    assert (back["run"]["id"], back["back"], back["gone"]) == (run, [], [])
    assert api.get(f"/runs/{run}")["state"] == "cancelled"
    actions = [entry["action"] for entry in api.get("/audit", role=Role.ADMIN)["entries"]]
    assert actions[:2] == ["run.undelete", "run.delete"]
