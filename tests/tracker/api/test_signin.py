"""Signing in: links that work once and not for long, the cookie, and requests that other sites' pages make."""

from __future__ import annotations

from typing import Any

import pytest
from werkzeug.test import Client, TestResponse

from keepbest.status import Role
from tests.support.api import Api
from tracker.api.principals import FAILURES, SECONDS, WINDOW


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """What is tested here does not depend on the database."""
    return sqlite_url


HOME = {"Origin": "http://localhost"}


def link_code(api: Api, role: Role = Role.MEMBER) -> str:
    path = api.post("/signin-links", role=role)["path"]
    assert path.startswith("/signin#code=kb_")
    return str(path.partition("=")[2])


def sign_in(api: Api, browser: Client, **proof: str) -> TestResponse:
    return browser.post("/api/v1/signin", json=proof, headers=HOME)


def test_a_link_signs_a_browser_in_once(api: Api) -> None:
    browser, other = api.app.test_client(), api.app.test_client()
    code = link_code(api)
    answer = sign_in(api, browser, code=code)
    assert answer.get_json()["role"] == "member"
    cookie = answer.headers["Set-Cookie"]
    assert {"HttpOnly", "SameSite=Strict", "Path=/"} <= set(cookie.split("; "))
    assert browser.get("/api/v1/me").status_code == 200
    assert sign_in(api, other, code=code).status_code == 401
    assert other.get("/api/v1/me").status_code == 401


def test_a_link_is_too_old_after_fifteen_minutes(api: Api) -> None:
    code = link_code(api)
    api.wait(15 * 60)
    assert sign_in(api, api.app.test_client(), code=code).status_code == 401


def test_a_code_is_no_token_and_a_cookie_is_none_either(api: Api) -> None:
    code = link_code(api)
    assert api.fail("GET", "/me", role=None, headers={"Authorization": f"Bearer {code}"})[0] == 401
    browser = api.app.test_client()
    cookie = sign_in(api, browser, code=code).headers["Set-Cookie"].partition(";")[0].partition("=")[2]
    assert api.fail("GET", "/me", role=None, headers={"Authorization": f"Bearer {cookie}"})[0] == 401


def test_a_token_signs_in_with_its_own_role(api: Api) -> None:
    token = api.post("/tokens", {"name": "screen", "role": "viewer"}, role=Role.ADMIN)["secret"]
    assert sign_in(api, api.app.test_client(), token=token).get_json()["role"] == "viewer"


@pytest.mark.parametrize("proof", [{}, {"code": "a", "token": "b"}])
def test_one_proof_is_needed(api: Api, proof: dict[str, Any]) -> None:
    assert sign_in(api, api.app.test_client(), **proof).status_code == 422


def test_signing_out_ends_the_session_at_once(api: Api) -> None:
    browser = api.app.test_client()
    sign_in(api, browser, code=link_code(api))
    cookie = browser.get_cookie("keepbest_session")
    assert cookie is not None
    assert browser.post("/api/v1/signout", headers=HOME).status_code == 204
    browser.set_cookie("keepbest_session", cookie.value)
    assert browser.get("/api/v1/me").status_code == 401


def test_a_session_ends_by_itself(api: Api) -> None:
    browser = api.app.test_client()
    sign_in(api, browser, code=link_code(api))
    api.wait(30 * 86_400 + 1)
    assert browser.get("/api/v1/me").status_code == 401


ORIGINS: list[tuple[dict[str, str], int]] = [
    (HOME, 201),
    ({"Sec-Fetch-Site": "same-origin"}, 201),
    ({}, 403),
    ({"Origin": "http://evil.example"}, 403),
    ({"Origin": "null"}, 403),
    ({"Origin": "http://localhost.evil.example"}, 403),
    ({"Origin": "http://localhost:81"}, 403),
    ({"Origin": "https://localhost"}, 403),
    ({"Origin": "http://evil.example", "Sec-Fetch-Site": "same-origin"}, 403),
    ({"Sec-Fetch-Site": "cross-site"}, 403),
]


@pytest.mark.parametrize(("headers", "status"), ORIGINS)
def test_a_cookie_changes_things_only_from_our_own_pages(api: Api, headers: dict[str, str], status: int) -> None:
    browser = api.app.test_client()
    sign_in(api, browser, code=link_code(api))
    assert browser.post("/api/v1/projects", json={"name": "p"}, headers=headers).status_code == status
    assert browser.get("/api/v1/projects", headers=headers).status_code == 200


def test_another_sites_page_cannot_sign_a_browser_in(api: Api) -> None:
    evil = {"Origin": "http://evil.example"}
    answer = api.app.test_client().post("/api/v1/signin", json={"code": link_code(api)}, headers=evil)
    assert answer.status_code == 403


def test_many_failures_have_to_wait_and_are_told_how_long(api: Api) -> None:
    browser = api.app.test_client()
    for _ in range(FAILURES):
        assert sign_in(api, browser, code="kb_guess").status_code == 401
        api.wait(1)
    answer = sign_in(api, browser, code="kb_guess")
    assert (answer.status_code, answer.get_json()["error"]["code"]) == (503, "busy")
    wait = int(answer.headers["Retry-After"])
    assert wait == WINDOW.seconds - FAILURES
    assert f"in {wait} seconds" in answer.get_json()["error"]["hint"]
    api.wait(wait - 1)
    assert sign_in(api, browser, code="kb_guess").status_code == 503
    api.wait(1)
    assert sign_in(api, browser, code="kb_guess").status_code == 401


def test_what_is_right_passes_whatever_was_guessed_before(api: Api) -> None:
    browser = api.app.test_client()
    for _ in range(FAILURES + 5):
        sign_in(api, browser, code="kb_guess")
    assert sign_in(api, browser, code=link_code(api)).status_code == 200
    assert sign_in(api, browser, token=api.token(Role.MEMBER)).status_code == 200


def test_a_revoked_token_is_worth_nothing_at_once(api: Api) -> None:
    made = api.post("/tokens", {"name": "ci"}, role=Role.MEMBER)
    bearer = {"Authorization": f"Bearer {made['secret']}"}
    assert api.get("/me", role=None, headers=bearer)["role"] == "member"
    api.call("DELETE", f"/tokens/{made['id']}", role=Role.MEMBER)
    assert api.fail("GET", "/me", role=None, headers=bearer)[0] == 401


def test_a_disabled_users_tokens_and_sessions_are_worth_nothing(api: Api) -> None:
    browser = api.app.test_client()
    sign_in(api, browser, code=link_code(api))
    assert api.call("DELETE", "/users/a member", role=Role.ADMIN).status_code == 204
    assert browser.get("/api/v1/me").status_code == 401
    assert api.fail("GET", "/me", role=Role.MEMBER)[0] == 401


def test_a_token_expires(api: Api) -> None:
    made = api.post("/tokens", {"name": "ci", "expires_in_days": 1})
    bearer = {"Authorization": f"Bearer {made['secret']}"}
    api.wait(86_400 - SECONDS / 2)
    assert api.get("/me", role=None, headers=bearer)["user"] == "a member"
    api.wait(SECONDS)
    assert api.fail("GET", "/me", role=None, headers=bearer)[0] == 401
