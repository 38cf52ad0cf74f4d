"""Routes that archive, delete and bring back projects, whose names may hold slashes."""

from __future__ import annotations

import pytest

from keepbest.status import Role, RunState
from tests.support.api import Api
from tests.support.store import NOW, submit
from tracker import db
from tracker.store import runs

PATH = "/projects/team%2Fdigits%202"


@pytest.fixture
def run(api: Api) -> str:
    """A run of the project that has ended."""
    with db.write(api.engine) as conn:
        row = submit(conn, project="team/digits 2")
        return str(runs.move_run(conn, row, RunState.CANCELLED, now=NOW).id)


def audited(api: Api) -> list[str]:
    return [entry["action"] for entry in api.get("/audit", role=Role.ADMIN)["entries"]]


def test_a_description_and_the_archive_change_alone(api: Api, run: str) -> None:
    api.call("PATCH", PATH, {"description": "handwriting"})
    api.call("PATCH", PATH, {"is_archived": True})
    shown = api.get(PATH, role=Role.VIEWER)
    assert (shown["description"], shown["archived_at"]) == ("handwriting", "2026-03-01T12:00:00Z")
    assert (api.get("/projects")["projects"], api.get("/projects?archived=true")["projects"]) == ([], [shown])
    status, error = api.fail("POST", "/runs", {"source": {"kind": "external"}, "project": "team/digits 2"})
    assert (status, error["field"]) == (409, "project")
    assert "keepbest project unarchive" in error["hint"]
    assert api.get(f"/runs/{run}")["id"] == run


def test_a_deleted_project_comes_back_with_its_runs(api: Api, run: str) -> None:
    assert api.call("DELETE", PATH).status_code == 204
    assert api.fail("GET", PATH)[0] == 404
    assert api.fail("GET", f"/runs/{run}")[1]["code"] == "run_deleted"
    assert [item["id"] for item in api.get("/trash")["runs"]] == [run]
    back = api.post("/undelete-project/team%2Fdigits%202")
    assert (back["project"]["runs"], back["runs"], back["gone"]) == (1, 1, 0)
    assert api.get(f"/runs/{run}")["id"] == run
    assert {"project.delete", "run.undelete", "project.undelete"} <= set(audited(api))


def test_a_project_that_is_there_is_not_brought_back(api: Api, run: str) -> None:
    assert api.fail("POST", "/undelete-project/team%2Fdigits%202")[0] == 404
