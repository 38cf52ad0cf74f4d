"""Every failure answers in one shape, `{"error": {code, message, field, hint}}`, whoever noticed it.

`Api.fail` asserts the shape; here each kind of failure is provoked once.
"""

from __future__ import annotations

import sqlite3
from typing import Any
from urllib.parse import urlencode

import pytest
from sqlalchemy.exc import OperationalError

from keepbest.errors import from_body
from keepbest.status import Role
from tests.support.api import Api
from tests.support.store import submit
from tracker import db
from tracker.api import openapi
from tracker.store import cursors
from tracker.store.access import users


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """What is tested here does not depend on the database."""
    return sqlite_url


KINDS = [
    ("GET", "/nothing/here", None, 404, "not_found"),
    ("GET", "/runs/zzzzzzzzzzzz", None, 404, "not_found"),
    ("GET", "/runs/%00%00%00%00", None, 404, "not_found"),
    ("DELETE", "/me", None, 405, "method_not_allowed"),
    ("GET", "/leases", None, 405, "method_not_allowed"),
    ("POST", "/users", b"{", 422, "invalid_input"),
    ("POST", "/users", b"\xff\xfe", 422, "invalid_input"),
    ("POST", "/users", b"[]", 422, "invalid_input"),
    ("POST", "/users", None, 422, "invalid_input"),
    ("POST", "/users", {"name": "bob", "unknown": 1}, 422, "invalid_input"),
    ("POST", "/users", b'{"name": "bob\\u0000"}', 422, "invalid_input"),
    ("POST", "/users", b" " * (2**20 + 1), 413, "too_large"),
    ("GET", "/events?after=x", None, 422, "invalid_input"),
    ("GET", "/events?unknown=1", None, 422, "invalid_input"),
    ("GET", "/audit?cursor=%00", None, 422, "invalid_input"),
]


@pytest.mark.parametrize(("method", "path", "body", "status", "code"), KINDS)
def test_each_kind_of_failure(api: Api, method: str, path: str, body: object, status: int, code: str) -> None:
    seen, error = api.fail(method, path, body, role=Role.ADMIN)
    assert (seen, error["code"]) == (status, code)
    assert from_body({"error": error}, seen).message == error["message"]


UNREADABLE: list[Any] = [None, "\0", 2**70, [], {}]
FORGED = [
    "x", "!", "W10", "bnVsbA", "-1", "9" * 30, "\u00e4",
    *(
        cursors.write(order, [value] * count)
        for order in ("trash", "projects", "sweeps", "views", "created.desc")
        for count in range(4)
        for value in UNREADABLE
    ),
]  # fmt: skip


def test_a_forged_cursor_is_refused_by_every_list(api: Api) -> None:
    api.post("/projects", {"name": "digits"})
    with db.write(api.engine) as conn:
        run = submit(conn, project="digits").id
    lists = {
        path.format(project="digits", run=run)
        for path, methods in openapi.document(api.app)["paths"].items()
        for given in methods.get("get", {"parameters": []})["parameters"]
        if given["name"] == "cursor"
    }
    assert len(lists) > 6
    for path in sorted(lists):
        for cursor in FORGED:
            address = f"{path.removeprefix('/api/v1')}?{urlencode({'cursor': cursor})}"
            status, error = api.fail("GET", address, role=Role.ADMIN)
            assert (status, error["field"]) == (422, "cursor"), address


def test_a_wrong_field_is_named(api: Api) -> None:
    _, error = api.fail("POST", "/users", {"name": "bob", "role": "king"}, role=Role.ADMIN)
    assert error["field"] == "role"


def test_405_names_the_methods_that_are_served(api: Api) -> None:
    assert "GET" in api.call("DELETE", "/me").headers["Allow"]


def test_what_nobody_foresaw_tells_a_number_and_nothing_else(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    def burst(*_: object) -> None:
        raise RuntimeError("the secret is 1234")

    monkeypatch.setattr(users, "list_users", burst)
    status, error = api.fail("GET", "/users", role=Role.ADMIN)
    assert (status, error["code"]) == (500, "internal")
    assert "1234" not in str(error)
    assert "incident" in error["hint"]


def test_a_silent_database_is_busy_with_a_time_to_retry(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    token = api.token(Role.ADMIN)

    def gone(*_: object) -> None:
        raise OperationalError("SELECT 1", {}, sqlite3.OperationalError("closed the connection; password=1234"))

    monkeypatch.setattr(users, "list_users", gone)
    answer = api.call("GET", "/users", role=Role.ADMIN)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
    assert "1234" not in answer.text
    assert token not in answer.text


def test_a_get_that_did_not_change_is_not_sent_again(api: Api) -> None:
    first = api.call("GET", "/projects")
    again = api.call("GET", "/projects", headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")
    api.post("/projects", {"name": "new"})
    assert api.call("GET", "/projects", headers={"If-None-Match": first.headers["ETag"]}).status_code == 200


@pytest.mark.parametrize(("old", "present"), [("looks", "validations"), ("evaluations", "test-results")])
def test_an_old_address_names_the_present_one(api: Api, old: str, present: str) -> None:
    status, error = api.fail("GET", f"/runs/zzzzzzzzzzzz/{old}")
    assert (status, error["code"]) == (404, "not_found")
    assert error["hint"] == f"{old} is named {present} now: GET /api/v1/runs/zzzzzzzzzzzz/{present}"
