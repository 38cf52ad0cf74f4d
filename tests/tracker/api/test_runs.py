"""The routes of projects, runs and commands: status, shape, and who may."""

from __future__ import annotations

from typing import Any

import pytest

from keepbest.contract import runs as contract
from keepbest.status import Role
from tests.support.api import Api
from tests.support.store import CNN

RUN = {"source": {"kind": "recipe", "name": "hvass-cnn"}}


@pytest.fixture(autouse=True)
def worker(api: Api) -> str:
    """A worker that announced the recipe."""
    id = "w" * 12
    said = {"id": id, "name": "mill", "host": "mill.local", "pid": 7, "version": "0.1", "slots": 1}
    known = {**said, "recipes": [CNN.model_dump(mode="json")]}
    assert api.call("PUT", f"/workers/{id}", known, role=Role.WORKER).status_code == 200
    return id


def test_a_run_is_submitted_shown_listed_changed_and_deleted(api: Api) -> None:
    made = api.call("POST", "/runs", RUN)
    run = made.get_json()
    assert (made.status_code, run["state"], run["created_by"]) == (201, "queued", "a member")
    assert api.get(f"/runs/{run['id'][:5]}")["id"] == run["id"]
    assert [row["id"] for row in api.get("/runs?project=default")["runs"]] == [run["id"]]
    changed = api.call("PATCH", f"/runs/{run['id']}", {"name": "mine", "tags": ["a"]}).get_json()
    assert (changed["name"], changed["tags"]) == ("mine", ["a"])
    assert api.call("DELETE", f"/runs/{run['id']}").status_code == 204
    assert api.fail("GET", f"/runs/{run['id']}")[0] == 404
    assert api.get("/runs")["runs"] == []


def test_a_submission_whose_answer_got_lost_is_sent_again(api: Api) -> None:
    first, second = (api.post("/runs", RUN, key="k")["id"] for _ in range(2))
    assert first == second
    assert api.fail("POST", "/runs", {**RUN, "seed": 1}, key="k")[0] == 409
    assert api.fail("POST", "/runs", RUN, key="k" * 201)[0] == 422


BAD: list[tuple[Any, str]] = [
    ({}, "source"),
    ({"source": {"kind": "recipe", "name": "hvas-cnn"}}, "source.name"),
    ({**RUN, "mode": "maximum"}, "mode"),
    ({**RUN, "project": "../x\n"}, "project"),
    ({**RUN, "nmae": "x"}, "nmae"),
    ({**RUN, "seed": -1}, "seed"),
    ({**RUN, "parameters": {"units": "many"}}, "parameters.units"),
    ({"source": {"kind": "code", "bundle": "x", "entry": "../m.py:build"}}, "source.code.bundle"),
]


def test_what_is_wrong_is_answered_with_its_field(api: Api) -> None:
    for asked, field in BAD:
        status, error = api.fail("POST", "/runs", asked)
        assert (status, error["code"], error["field"]) == (422, "invalid_input", field), asked


BAD_LISTS = {"state=runing": "state", "sort=bset": "sort", "order=up": "order", "limit=0": "limit", "x=1": "x",
             "cursor=x": "cursor", "q=val_los%20%3C": "q", "q=%22": "q", "columns=nothing": "columns"}  # fmt: skip


def test_a_list_that_cannot_be_is_refused(api: Api) -> None:
    api.post("/runs", RUN)
    for query, field in BAD_LISTS.items():
        status, error = api.fail("GET", f"/runs?{query}")
        assert (status, error["field"]) == (422, field), query


def test_lists_go_on_where_the_cursor_says(api: Api) -> None:
    ids = [api.post("/runs", RUN)["id"] for _ in range(5)]
    page = api.get("/runs?sort=number&order=asc&limit=3&state=queued,running&count=1")
    assert ([run["id"] for run in page["runs"]], page["total"]) == (ids[:3], 5)
    rest = api.get(f"/runs?sort=number&order=asc&limit=3&state=queued,running&cursor={page['cursor']}")
    assert ([run["id"] for run in rest["runs"]], rest["cursor"]) == (ids[3:], None)


def test_a_filter_a_page_of_columns_and_its_groups(api: Api) -> None:
    for seed, units in enumerate((32, 32, 64)):
        body = {**RUN, "parameters": {"units": units}, "seed": seed, "tags": ["team=red"] if units > 32 else []}
        api.post("/runs", body)
    page = api.get("/runs?q=units%20%3C%2064%20and%20state=queued&columns=units,tags.team&sort=params.units&count=1")
    assert [run["values"] for run in page["runs"]] == [{"units": 32, "tags.team": []}] * 2
    assert (page["total"], page["total_is_least"]) == (2, False)
    found = api.get("/runs/groups?by=params.units,tags.team")["groups"]
    assert [(group["values"], group["count"]) for group in found] == [
        ({"params.units": 32, "tags.team": None}, 2),
        ({"params.units": 64, "tags.team": "red"}, 1),
    ]
    assert len(api.get("/runs/groups?by=variant")["groups"]) == 2
    error = api.fail("GET", "/runs?q=unist%20%3C%203")[1]
    assert (error["field"], error["hint"]) == ("q", "Did you mean 'units'?")


def test_a_project_names_what_its_runs_have(api: Api) -> None:
    for units in (32, 64):
        api.post("/runs", {**RUN, "parameters": {"units": units}, "tags": ["a"], "project": "a/deep"})
    api.post("/runs", {**RUN, "tags": ["elsewhere"]})
    fields = api.get("/fields/a/deep")
    parameters = {parameter["key"]: (parameter["values"], parameter["differs"]) for parameter in fields["parameters"]}
    assert parameters["units"] == ([32, 64], True)
    assert parameters["padding"] == (["same"], False)
    assert (fields["tags"], fields["recipes"], fields["workers"]) == (["a"], ["hvass-cnn"], ["mill"])
    assert api.fail("GET", "/fields/a/deeep")[1]["hint"] == "Did you mean 'a/deep'?"


def test_projects_count_their_runs(api: Api) -> None:
    for project in ("b", "a/deep", "b"):
        newest = api.post("/runs", {**RUN, "project": project})["id"]
    api.post(f"/runs/{newest}/cancel")
    assert api.post("/projects", {"name": "empty", "description": "soon"})["runs"] == 0
    page = api.get("/projects")
    counts = [(row["name"], row["runs"], row["active"], row["latest_run"]) for row in page["projects"]]
    assert counts[0][:3] == ("a/deep", 1, 1)
    assert counts[1:] == [("b", 2, 1, newest), ("empty", 0, 0, None)]
    assert api.get("/projects/a/deep")["runs"] == 1
    assert [row["name"] for row in api.get("/projects?q=E&limit=1")["projects"]] == ["a/deep"]
    assert api.fail("POST", "/projects", {"name": "b"})[0] == 409
    assert api.fail("GET", "/projects/bb")[1]["hint"] == "Did you mean 'b'?"


def test_project_pages_go_on(api: Api) -> None:
    for name in ("a", "b", "c"):
        api.post("/projects", {"name": name})
    page = api.get("/projects?limit=2")
    rest = api.get(f"/projects?limit=2&cursor={page['cursor']}")
    assert [row["name"] for row in (*page["projects"], *rest["projects"])] == ["a", "b", "c"]
    assert (page["total"], rest["cursor"]) == (3, None)


def test_a_queued_run_is_cancelled_at_once_and_stays_so(api: Api) -> None:
    run = api.post("/runs", RUN)["id"]
    assert [api.post(f"/runs/{run}/cancel")["state"] for _ in range(2)] == ["cancelled"] * 2
    status, error = api.fail("POST", f"/runs/{run}/commands", {"kind": "stop"})
    assert (status, error["code"]) == (409, "conflict")


def test_commands_are_told_apart_by_their_kind(api: Api, worker: str) -> None:
    run = api.post("/runs", RUN)["id"]
    lease = api.post("/leases", {"worker": worker}, role=Role.WORKER)["lease"]["token"]
    asked = api.call("POST", f"/runs/{run}/commands", {"kind": "checkpoint"})
    assert (asked.status_code, asked.get_json()["state"]) == (201, "requested")
    assert [row["kind"] for row in api.get(f"/runs/{run}/commands?open=1")["commands"]] == ["checkpoint"]
    renewed = api.post(f"/leases/{run}/renew", lease=lease, role=Role.WORKER)
    assert [row["kind"] for row in renewed["commands"]] == ["checkpoint"]
    for body in ({"kind": "explode"}, {}, {"kind": "stop", "step": 3}, {"kind": "roll_back", "step": "x"}):
        assert api.fail("POST", f"/runs/{run}/commands", body)[0] == 422


HOSTILE = [
    "' OR 1=1 --",
    "%00",
    "../../etc/passwd",
    "<script>",
    "a" * 5000,
    "%F0%9F%A6%80%F0%9F%A6%80",
    "abcd%0A",
    "%2e%2e",
]


def test_a_hostile_name_in_the_address_is_only_not_found(api: Api) -> None:
    api.post("/runs", RUN)
    for path in ("/runs/{}", "/runs/{}/segments", "/runs/{}/commands", "/projects/{}", "/bundles/{}"):
        found = {name: api.fail("GET", path.format(name))[0] for name in HOSTILE}
        assert set(found.values()) <= {404, 422}, (path, found)


def test_a_hostile_text_is_kept_as_it_is(api: Api) -> None:
    notes = "<script>alert(1)</script> ' \" \\ \u202e ; DROP TABLE runs; --"
    run = api.post("/runs", {**RUN, "notes": notes, "tags": ["<b>"], "labels": {"'": '"'}})
    assert (run["notes"], run["tags"]) == (notes, ["<b>"])
    assert api.get("/runs?q=DROP%20TABLE")["runs"][0]["id"] == run["id"]


WRITES: list[tuple[str, str, Any]] = [
    ("POST", "/runs", RUN),
    ("PATCH", "/runs/{run}", {"name": "x"}),
    ("DELETE", "/runs/{run}", None),
    ("POST", "/runs/{run}/cancel", None),
    ("POST", "/runs/{run}/commands", {"kind": "cancel"}),
    ("POST", "/projects", {"name": "x"}),
    ("POST", "/bundles", b"zip"),
]


@pytest.mark.parametrize(("role", "status"), [(None, 401), (Role.VIEWER, 403), (Role.WORKER, 403)])
def test_only_members_change_anything(api: Api, role: Role | None, status: int) -> None:
    run = api.post("/runs", RUN)["id"]
    for method, path, body in WRITES:
        assert api.fail(method, path.format(run=run), body, role=role)[0] == status, (method, path)
    assert api.get(f"/runs/{run}")["state"] == "queued"


def test_a_viewer_reads_and_claims_nothing(api: Api, worker: str) -> None:
    run = api.post("/runs", RUN)["id"]
    for path in ("/runs", f"/runs/{run}", f"/runs/{run}/segments", f"/runs/{run}/commands", "/workers", "/recipes"):
        assert api.call("GET", path, role=Role.VIEWER).status_code == 200
    assert api.fail("POST", "/leases", {"worker": worker}, role=Role.VIEWER)[0] == 403


def test_every_change_is_audited(api: Api) -> None:
    run = api.post("/runs", RUN)["id"]
    api.call("PATCH", f"/runs/{run}", {"notes": "n"})
    api.post(f"/runs/{run}/cancel")
    api.call("DELETE", f"/runs/{run}")
    entries = api.get("/audit", role=Role.ADMIN)["entries"]
    done = {(entry["user"], entry["action"]) for entry in entries if entry["target"] == run}
    assert {("a member", f"run.{verb}") for verb in ("submit", "change", "delete")} <= done
    assert ("a member", "command.cancel") in done


def test_a_list_of_runs_never_holds_a_secret(api: Api, worker: str) -> None:
    api.post("/runs", RUN)
    token = api.post("/leases", {"worker": worker}, role=Role.WORKER)["lease"]["token"]
    shown = api.call("GET", "/runs").text + api.call("GET", "/events?after=0").text
    assert token not in shown
    assert "lease_digest" not in shown
    assert set(api.get("/runs")["runs"][0]) <= set(contract.Run.model_fields)
