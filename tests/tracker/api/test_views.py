"""Saved views: a private one is its owner's alone, the project's is everybody's; and the color of a run."""

from __future__ import annotations

from typing import Any

import pytest

from keepbest.status import Role
from tests.support.api import Api
from tests.support.store import submit
from tracker import db
from tracker.store import views

VIEWS = "/views/digits"
DOCUMENT = {"filter": "val_loss < 1", "columns": ["params.units"], "panels": [{"key": "loss", "height": 240}]}


@pytest.fixture(autouse=True)
def project(api: Api) -> None:
    api.post("/projects", {"name": "digits"})


def save(api: Api, name: str, role: Role = Role.MEMBER, **more: Any) -> str:
    return str(api.post(VIEWS, {"name": name, "document": DOCUMENT, **more}, role=role)["id"])


def names(api: Api, role: Role) -> list[str]:
    return [view["name"] for view in api.get(VIEWS, role=role)["views"]]


def test_a_private_view_is_its_owners_alone(api: Api) -> None:
    own, shared = save(api, "mine"), save(api, "ours", is_private=False)
    assert (names(api, Role.MEMBER), names(api, Role.ADMIN), names(api, Role.VIEWER)) == (
        ["mine", "ours"], ["ours"], ["ours"],
    )  # fmt: skip
    for method in ("PATCH", "DELETE"):
        assert api.fail(method, f"/view/{own}", {}, role=Role.ADMIN)[0] == 404
        assert api.fail(method, f"/view/{shared}", {}, role=Role.VIEWER)[0] == 403
    assert api.fail("PATCH", f"/view/{shared}", {"is_private": True}, role=Role.ADMIN)[0] == 409


def test_a_view_is_kept_as_it_was_saved(api: Api) -> None:
    id = save(api, "mine")
    (view,) = api.get(VIEWS)["views"]
    assert (view["document"], view["project"], view["created_by"]) == (DOCUMENT, "digits", "a member")
    changed = api.call("PATCH", f"/view/{id}", {"name": "better", "document": {}}).get_json()
    assert (changed["name"], changed["document"], changed["is_private"]) == ("better", {}, True)
    assert api.call("DELETE", f"/view/{id}").status_code == 204
    assert names(api, Role.MEMBER) == []


def test_views_are_paged_by_name(api: Api) -> None:
    for name in ("c", "a", "b"):
        save(api, name)
    first = api.get(f"{VIEWS}?limit=2")
    second = api.get(f"{VIEWS}?limit=2&cursor={first['cursor']}")
    assert [view["name"] for page in (first, second) for view in page["views"]] == ["a", "b", "c"]
    assert second["cursor"] is None


def test_a_projects_name_may_be_that_of_a_route(api: Api) -> None:
    for project in ("digits/views", "digits/fields", "views/fields", "digits/rules/views"):
        api.post("/projects", {"name": project})
        assert api.call("PATCH", f"/projects/{project}", {"description": "d"}).get_json()["name"] == project
        assert api.get(f"/projects/{project}")["description"] == "d"
        view = api.post(f"/views/{project}", {"name": "v", "document": {}})
        assert [shown["id"] for shown in api.get(f"/views/{project}")["views"]] == [view["id"]]
        assert view["project"] == project
        assert api.get(f"/fields/{project}")["metrics"] == []
        assert api.get(f"/rules/{project}")["project"] == project


def test_pages_hear_of_the_projects_views_alone(api: Api) -> None:
    save(api, "mine")
    assert [event["kind"] for event in api.get("/events?after=0")["events"]] == []
    shared = save(api, "ours", is_private=False)
    (event,) = api.get("/events?after=0")["events"]
    assert (event["kind"], event["project"], event["data"]) == ("project.views", "digits", {"view": shared})


def test_a_view_that_cannot_be_kept_is_refused(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    bad: dict[str, Any] = {"name": "../x", "document": {"filter": "x" * 32_000}}
    for field, value in bad.items():
        status, error = api.fail("POST", VIEWS, {"name": "mine", "document": {}, field: value})
        assert (status, error["field"]) == (422, field)
    assert api.fail("GET", "/views/none")[0] == 404
    monkeypatch.setattr(views, "MAX_VIEWS", 1)
    save(api, "mine")
    assert api.fail("POST", VIEWS, {"name": "more", "document": {}})[0] == 409


def test_a_run_has_the_color_that_a_person_chose(api: Api) -> None:
    with db.write(api.engine) as conn:
        run = submit(conn).id
    for color in ("#00aa7f", ""):
        assert api.call("PATCH", f"/runs/{run}", {"color": color}).get_json()["color"] == color
        assert api.get("/runs")["runs"][0]["color"] == color
    for color in ("red", "#00AA7F; x", "#fff"):
        assert api.fail("PATCH", f"/runs/{run}", {"color": color})[1]["field"] == "color"
