"""Read-only links: what they show, what they refuse, and that they end with all that made them."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import pytest
from sqlalchemy import insert, update
from werkzeug.test import Client, TestResponse

from keepbest.contract.base import iso
from keepbest.contract.runs import RunPatch
from keepbest.status import Role, RunState
from tests.support.api import Api
from tests.support.store import add_checkpoint, submit
from tracker import db
from tracker.api import access
from tracker.models import MetricSummaryTable, RunTable
from tracker.store import deletions, events, moves, project_deletions, runs, shares
from tracker.store.access import makers, users

HOME = {"Origin": "http://localhost"}
#: What a request names that it has no business with.
QUERIES = (
    "",
    "?run={hidden}",
    "?project=hidden-project",
    "?of={far}",
    "?first={shown}&second={hidden}",
    "?key=hidden_metric",
)
#: Marks of what a link must not tell.
HIDDEN = ("hidden-run", "hidden_metric", "hidden-tag", "hidden-project", "hidden-token", "a admin", "grace")
#: The summary of a metric with one point.
POINT = {"count": 1, "non_finite": 0, "first_step": 1, "last_step": 1, "last_value": 0.5}


class Link:
    """A browser that opened a read-only link."""

    def __init__(self, api: Api, share: dict[str, Any]) -> None:
        self.share = share
        self.secret = share["path"].partition("#")[2]
        self.browser: Client = api.app.test_client()
        self.answer = self.open()

    def open(self) -> TestResponse:
        return self.browser.post("/api/v1/signin", json={"share": self.secret}, headers=HOME)

    def call(self, method: str, path: str, body: Any = None) -> TestResponse:
        return self.browser.open(f"/api/v1{path}", method=method, json=body, headers=HOME)

    def get(self, path: str) -> Any:
        answer = self.call("GET", path)
        assert answer.status_code == 200, answer.text
        return answer.get_json()

    def status(self, path: str = "/me") -> int:
        return self.call("GET", path).status_code


@pytest.fixture
def ids(api: Api) -> dict[str, str]:
    """Runs: `shown` and `other` of project team/digits, `hidden` of the same project, `far` of another."""
    said: dict[str, dict[str, Any]] = {
        "shown": {"project": "team/digits", "name": "shown-run", "tags": ["paper"]},
        "other": {"project": "team/digits", "name": "other-run", "tags": ["paper"]},
        "hidden": {"project": "team/digits", "name": "hidden-run", "tags": ["hidden-tag"]},
        "far": {"project": "hidden-project", "name": "hidden-run-too", "tags": ["paper"]},
    }
    made = {}
    with db.write(api.engine) as conn:
        for name, asked in said.items():
            run = submit(conn, **asked)
            made[name] = str(run.id)
            made[f"{name} checkpoint"] = add_checkpoint(conn, run, step=1)
            key = "loss" if name in ("shown", "other") else "hidden_metric"
            point = {
                "count": 1,
                "non_finite": 0,
                "first_step": 1,
                "last_step": 1,
                "last_value": 0.5,
                "min_value": 0.5,
                "min_step": 1,
            }
            row = {"run_pk": run.pk, "project_pk": run.project_pk, "key": key, "max_value": 0.5, "max_step": 1, **point}
            conn.execute(insert(MetricSummaryTable).values(**row))
    return made


def make(api: Api, **said: Any) -> dict[str, Any]:
    made: dict[str, Any] = api.post("/shares", said)
    return made


@pytest.fixture
def link(api: Api, ids: dict[str, str]) -> Link:
    """A link to the run `shown`."""
    return Link(api, make(api, run=ids["shown"]))


@pytest.fixture
def view(api: Api, ids: dict[str, str]) -> Link:
    """A link to the runs of the project that have the tag `paper`."""
    return Link(api, make(api, project="team/digits", q="tag = paper", query="?q=tag%20%3D%20paper&table=1"))


def test_a_link_says_where_it_leads(api: Api, ids: dict[str, str], link: Link, view: Link) -> None:
    me = link.get("/me")
    assert (me["user"], me["role"]) == ("a member", "viewer")
    shown = {"by": "a member", "project": "team/digits", "run": ids["shown"], "q": "", "path": f"/r/{ids['shown']}"}
    assert me["share"] == {**shown, "expires_at": iso(api.now + timedelta(days=7))}
    assert view.answer.get_json()["share"]["path"] == "/p/team%2Fdigits?q=tag%20%3D%20paper&table=1"


def test_a_link_to_a_run_shows_this_run_alone(ids: dict[str, str], link: Link) -> None:
    assert [run["id"] for run in link.get("/runs?count=true")["runs"]] == [ids["shown"]]
    assert link.get(f"/runs/{ids['shown']}")["name"] == "shown-run"
    assert link.get(f"/reports?of={ids['shown']}")["title"] == "shown-run"
    for name in ("other", "hidden", "far"):
        assert link.status(f"/runs/{ids[name]}") == 403
        assert link.status(f"/reports?of={ids['shown']},{ids[name]}") == 403
        assert link.status(f"/panels/diff?first={ids['shown']}&second={ids[name]}") == 403
    assert link.get(f"/panels/diff?first={ids['shown']}")["first"]["name"] == "shown-run"
    assert link.status(f"/runs/{ids['shown'][:6]}") == 403
    assert link.status("/runs?project=hidden-project") == 403


def test_a_link_to_a_view_shows_what_the_filter_means(api: Api, ids: dict[str, str], view: Link) -> None:
    page = view.get("/runs?project=team%2Fdigits&count=true&sort=name&order=asc")
    assert ([run["name"] for run in page["runs"]], page["total"]) == (["other-run", "shown-run"], 2)
    everything = view.get("/runs?q=name%20~%20run&count=true")
    assert (len(everything["runs"]), everything["total"]) == (2, 2)
    fields = view.get("/fields/team%2Fdigits")
    assert ([item["key"] for item in fields["metrics"]], fields["tags"], fields["users"]) == (["loss"], ["paper"], [])
    groups = view.get("/runs/groups?by=tag")["groups"]
    assert [(group["values"], group["count"]) for group in groups] == [({"tag": "paper"}, 2)]
    compared = view.call("POST", "/comparisons", {"runs": [ids["shown"], ids["hidden"]]}).get_json()
    assert ([run["id"] for run in compared["runs"]], compared["missing"]) == ([ids["shown"]], [ids["hidden"]])
    curves = view.call("POST", "/curves", {"runs": [ids["shown"], ids["hidden"]], "keys": ["loss"], "summaries": True})
    assert [item["run"] for item in curves.get_json()["summaries"]] == [ids["shown"]]


@pytest.mark.parametrize(
    "q", ["tag = hidden-tag", "state = queued", "name ~ run", "number > 0", "loss > 0", "tag = paper or number > 0"]
)
def test_a_filter_finds_no_more_than_the_link_shows(ids: dict[str, str], link: Link, view: Link, q: str) -> None:
    for browser, shown in ((link, {ids["shown"]}), (view, {ids["shown"], ids["other"]})):
        for project in ({}, {"project": "team/digits"}):
            page = browser.get(f"/runs?{urlencode({'q': q, 'count': 'true', **project})}")
            assert {run["id"] for run in page["runs"]} <= shown
            assert page["total"] == len(page["runs"])


def test_a_view_follows_its_runs_and_not_its_maker(api: Api, ids: dict[str, str], view: Link) -> None:
    with db.write(api.engine) as conn:
        new = submit(conn, project="team/digits", name="new-run", tags=["paper"])
        row = runs.get_run(conn, ids["other"])
        moves.move_to_project(conn, row, "hidden-project", user="ada", now=api.now)
        runs.patch_run(conn, runs.get_run(conn, ids["shown"]), RunPatch(tags=[]), user="ada", now=api.now)
    assert [run["id"] for run in view.get("/runs")["runs"]] == [new.id]


def test_a_hint_names_nothing_that_the_link_hides(view: Link) -> None:
    answer = view.call("GET", "/runs?q=hidden_metri%20%3E%201")
    assert (answer.status_code, "hidden_metric" in answer.text) == (422, False)


def test_events_are_those_of_the_shown_runs(api: Api, ids: dict[str, str], link: Link, view: Link) -> None:
    with db.write(api.engine) as conn:
        for name in ("shown", "other", "hidden", "far"):
            events.append(conn, "run.changed", runs.get_run(conn, ids[name]), {"name": name}, api.now)
        events.append_to_project(conn, "project.views", "team/digits", {"view": "hidden-run"}, api.now)
    assert {event["run"] for event in link.get("/events?after=0")["events"]} == {ids["shown"]}
    assert {event["run"] for event in view.get("/events?after=0")["events"]} == {ids["shown"], ids["other"]}
    assert all("spec" not in event["data"] for event in view.get("/events?after=0")["events"])


def test_a_stream_sends_events_of_the_shown_runs(api: Api, ids: dict[str, str], link: Link) -> None:
    answer = link.call("GET", "/stream?after=0")
    frames = answer.iter_encoded()
    next(frames)
    with db.write(api.engine) as conn:
        for name in ("hidden", "far", "shown"):
            events.append(conn, "run.changed", runs.get_run(conn, ids[name]), {"name": name}, api.now)
    sent = b""
    while b'"name":"shown"' not in sent:
        sent += next(frames)
    answer.close()
    assert not [name for name in ("hidden", "far") if ids[name].encode() in sent]


def walk(api: Api, ids: dict[str, str]) -> list[tuple[str, str, str]]:
    """Return method, address and endpoint of every route but the open ones, with what is hidden in place of names."""
    values = {"run": ids["hidden"], "checkpoint": ids["hidden checkpoint"], "other": ids["far checkpoint"]}
    values |= {"project": "hidden-project", "user": "grace"}
    rules = list(api.app.url_map.iter_rules())
    routes = [(method, rule.rule, rule.endpoint) for rule in rules for method in sorted(rule.methods or ())]
    return [
        (method, re.sub(r"<(?:\w+:)?(\w+)>", lambda name: values.get(name[1], "a" * 12), rule), endpoint)
        for method, rule, endpoint in routes
        if access.ACCESS[endpoint] is not None and method != "OPTIONS"
    ]


@pytest.mark.parametrize("kind", ["link", "view"])
def test_no_route_tells_of_what_is_hidden(api: Api, ids: dict[str, str], kind: str, request: Any) -> None:
    browser: Link = request.getfixturevalue(kind)
    api.post("/users", {"name": "grace", "role": "viewer"}, role=Role.ADMIN)
    api.post("/tokens", {"name": "hidden-token"}, role=Role.ADMIN)
    hidden = [*HIDDEN, *(id for name, id in ids.items() if name.startswith(("hidden", "far")))]
    body = {"runs": [ids["hidden"], ids["far"]], "keys": ["hidden_metric"], "summaries": True}
    bodies = {"comparisons.compare_runs": {"runs": body["runs"]}, "curves.show_curves": body}
    for method, path, endpoint in walk(api, ids):
        for query in (query.format(**ids) for query in QUERIES):
            if endpoint in ("events.stream", "signin.sign_out") and not query.startswith(("?run", "?pro")):
                continue
            answer = browser.browser.open(path + query, method=method, json=bodies.get(endpoint), headers=HOME)
            assert answer.status_code < 500, f"{method} {path}{query}: {answer.text}"
            if endpoint not in access.SHARED:
                assert answer.status_code == 403, f"{method} {path}: {answer.text}"
            told = [mark for mark in hidden if mark in without_request(answer.text, body, query)]
            assert told == [], f"{method} {path}{query} tells {told}: {answer.text}"
    assert browser.status() == 200


def without_request(text: str, body: dict[str, Any], query: str) -> str:
    """Return an answer without the ids and names that the request itself named."""
    for named in (*body["runs"], *body["keys"], query.partition("=")[2] or "-"):
        text = text.replace(named, "")
    return text


def test_a_link_holds_a_bounded_number_of_sessions(
    api: Api, ids: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shares, "MAX_SESSIONS", 2)
    link = Link(api, make(api, run=ids["shown"]))
    others = [Link(api, link.share) for _ in range(2)]
    assert [browser.status() for browser in (link, *others)] == [401, 200, 200]


def test_a_person_has_a_bounded_number_of_links(api: Api, ids: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shares, "MAX_SHARES", 2)
    first = make(api, run=ids["shown"])
    make(api, run=ids["shown"])
    assert "keepbest unshare" in api.fail("POST", "/shares", {"run": ids["shown"]})[1]["hint"]
    api.call("DELETE", f"/shares/{first['id']}")
    make(api, run=ids["shown"])


def test_a_link_changes_nothing(ids: dict[str, str], link: Link) -> None:
    for method, path in (
        ("PATCH", f"/runs/{ids['shown']}"),
        ("DELETE", f"/runs/{ids['shown']}"),
        ("POST", f"/runs/{ids['shown']}/commands"),
        ("POST", "/tokens"),
        ("POST", "/shares"),
        ("POST", "/signin-links"),
    ):
        answer = link.call(method, path, {})
        assert (answer.status_code, answer.get_json()["error"]["code"]) == (403, "not_allowed"), path


def test_a_revoked_link_ends_its_sessions_and_opens_no_more(api: Api, link: Link) -> None:
    assert api.call("DELETE", f"/shares/{link.share['id']}").status_code == 204
    assert (link.status(), link.open().status_code) == (401, 401)
    assert api.get("/shares")["shares"] == []
    actions = [entry["action"] for entry in api.get("/audit", role=Role.ADMIN)["entries"]]
    assert actions[:3] == ["share.revoke", "share.open", "share.create"]


def test_a_link_expires_with_its_sessions(api: Api, ids: dict[str, str]) -> None:
    link = Link(api, make(api, run=ids["shown"], days=1 / 24))
    api.wait(3500)
    assert link.status() == 200
    api.wait(200)
    assert (link.status(), link.open().status_code) == (401, 401)
    with db.write(api.engine) as conn:
        assert makers.remove_dead(conn, api.now) == 2
    assert link.status() == 401


@pytest.mark.parametrize("days", [0.01, 91, "NaN"])
def test_a_link_lasts_an_hour_to_90_days(api: Api, ids: dict[str, str], days: Any) -> None:
    assert api.fail("POST", "/shares", {"run": ids["shown"], "days": days})[0] == 422


def test_a_link_ends_no_later_than_the_token_that_made_it(api: Api, ids: dict[str, str]) -> None:
    token = api.post("/tokens", {"name": "short", "expires_in_days": 1})
    bearer = {"Authorization": f"Bearer {token['secret']}"}
    share = api.post("/shares", {"run": ids["shown"]}, role=None, headers=bearer)
    assert share["expires_at"] == token["expires_at"]
    link = Link(api, share)
    api.call("DELETE", f"/tokens/{token['id']}")
    assert (link.status(), link.open().status_code) == (401, 401)


def test_a_link_ends_with_the_account_of_its_maker(api: Api, link: Link) -> None:
    api.call("DELETE", "/users/a member", role=Role.ADMIN)
    assert (link.status(), link.open().status_code) == (401, 401)


def test_a_link_dies_with_its_run(api: Api, ids: dict[str, str], link: Link) -> None:
    with db.write(api.engine) as conn:
        deletions.delete_run(conn, runs.get_run(conn, ids["shown"]), user="ada", now=api.now)
    api.wait(5)
    assert (link.status(), link.open().status_code) == (401, 401)
    assert api.get("/shares")["shares"] == []
    with db.write(api.engine) as conn:
        deletions.undelete_run(conn, runs.get_deleted(conn, ids["shown"], lock=True), [], user="ada", now=api.now)
    assert link.open().status_code == 401


def test_a_link_dies_with_its_project(api: Api, ids: dict[str, str], view: Link) -> None:
    with db.write(api.engine) as conn:
        for name in ("shown", "other", "hidden"):
            runs.move_run(conn, runs.get_run(conn, ids[name]), RunState.CANCELLED, now=api.now)
        project_deletions.delete_project(conn, "team/digits", user="ada", now=api.now)
    api.wait(5)
    assert (view.status(), view.open().status_code) == (401, 401)
    with db.write(api.engine) as conn:
        submit(conn, project="team/digits", tags=["paper"])  # another project begins under the name
    assert view.open().status_code == 401


def test_a_session_of_a_link_is_never_taken_for_its_makers(api: Api, link: Link) -> None:
    """A link whose row is gone must not leave a session that counts as the session of the person who made the link."""
    with db.write(api.engine) as conn:
        pk = users.find_principal(conn, users.digest(link.secret), "share", api.now)
        assert pk is not None
        makers.remove(conn, pk.maker or 0, None)
    api.wait(5)
    assert link.status() == 401


def test_the_secret_of_a_link_is_no_token(api: Api, link: Link) -> None:
    bearer = {"Authorization": f"Bearer {link.secret}"}
    assert api.fail("GET", "/me", role=None, headers=bearer)[0] == 401
    assert api.fail("POST", "/signin", {"token": link.secret}, role=None)[0] == 401
    assert api.fail("POST", "/signin", {"share": api.token(Role.MEMBER)}, role=None)[0] == 401
    assert api.fail("POST", "/signin", {"share": link.secret, "token": "x"}, role=None)[0] == 422


def test_whoever_has_an_account_keeps_the_session(api: Api, ids: dict[str, str], link: Link) -> None:
    browser = api.app.test_client()
    browser.post("/api/v1/signin", json={"token": api.token(Role.ADMIN)}, headers=HOME)
    answer = browser.post("/api/v1/signin", json={"share": link.secret}, headers=HOME)
    assert (answer.get_json()["share"]["run"], "Set-Cookie" in answer.headers) == (ids["shown"], False)
    assert browser.get("/api/v1/me").get_json()["role"] == "admin"


def test_links_are_listed_for_their_maker_and_for_admins(api: Api, ids: dict[str, str], link: Link, view: Link) -> None:
    listed = api.get("/shares")["shares"]
    assert [(item["run_name"], item["q"], item["path"]) for item in listed] == [
        (None, "tag = paper", None),
        ("shown-run", "", None),
    ]
    assert [item["last_used_at"] for item in listed] == [iso(api.now), iso(api.now)]
    assert len(api.get("/shares", role=Role.ADMIN)["shares"]) == 2
    assert api.get("/shares", role=Role.VIEWER)["shares"] == []
    assert api.fail("DELETE", f"/shares/{listed[0]['id']}", role=Role.VIEWER)[0] == 404
    assert api.fail("POST", "/shares", {"run": ids["shown"]}, role=Role.VIEWER)[0] == 403


@pytest.mark.parametrize(
    "said",
    [
        {},
        {"run": "x" * 12, "project": "team/digits"},
        {"project": "team/digits", "q": "tag = "},
        {"project": "team/digits", "q": "los > 1"},
        {"project": "team/digits", "query": "/p/other"},
        {"project": "team/digits", "query": "?" + "x" * 4000},
    ],
)
def test_a_link_that_makes_no_sense_is_refused(api: Api, ids: dict[str, str], said: dict[str, Any]) -> None:
    assert api.fail("POST", "/shares", said)[0] == 422
    assert api.fail("POST", "/shares", {"project": "nowhere"})[0] == 404
    assert api.fail("POST", "/shares", {"run": "0" * 12})[0] == 404


def test_where_a_shared_run_came_from_stays_hidden(api: Api, ids: dict[str, str], link: Link) -> None:
    with db.write(api.engine) as conn:
        run = runs.get_run(conn, ids["shown"])
        origin = {"run": ids["hidden"], "checkpoint": ids["hidden checkpoint"], "step": 1}
        used = {"run": ids["hidden"], "path": "weights.npz", "version": 1, "digest": "0" * 64}
        values = {"spec": {**run.spec, "forked_from": origin}, "environment": {"python": "3", "used_artifacts": [used]}}
        conn.execute(update(RunTable).where(RunTable.pk == run.pk).values(**values))
    for path in (f"/runs/{ids['shown']}", "/runs", f"/reports?of={ids['shown']}"):
        assert ids["hidden"] not in link.call("GET", path).text
    assert link.get(f"/runs/{ids['shown']}")["environment"] == {"python": "3"}
    assert api.get(f"/runs/{ids['shown']}")["spec"]["forked_from"]["run"] == ids["hidden"]
    assert api.get(f"/runs/{ids['shown']}")["state"] == RunState.QUEUED.value
