"""What a token made never outlives or outranks it: sessions, links, further tokens, workers and open streams."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from werkzeug.test import Client

from keepbest.status import Role
from tests.support.api import Api
from tests.support.processes import wait_until
from tracker import db
from tracker.services.event_hub import Hub
from tracker.store.access import makers, users
from tracker.store.access.makers import MAX_DEPTH

HOME = {"Origin": "http://localhost"}


def bearer(secret: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret}"}


def make(api: Api, secret: str | None = None, **said: Any) -> dict[str, Any]:
    """Make a token with the one of this secret, or a member's own."""
    how: dict[str, Any] = {"role": Role.MEMBER} if secret is None else {"role": None, "headers": bearer(secret)}
    made: dict[str, Any] = api.post("/tokens", {"name": "made", **said}, **how)
    return made


def status(api: Api, secret: str) -> int:
    return api.call("GET", "/me", role=None, headers=bearer(secret)).status_code


def browse(api: Api, **proof: str) -> Client:
    browser = api.app.test_client()
    assert browser.post("/api/v1/signin", json=proof, headers=HOME).status_code == 200
    return browser


def link(api: Api, secret: str) -> str:
    path = api.post("/signin-links", role=None, headers=bearer(secret))["path"]
    return str(path.partition("=")[2])


def make_in(browser: Client) -> str:
    answer = browser.post("/api/v1/tokens", json={"name": "in a browser"}, headers=HOME)
    return str(answer.get_json()["secret"])


def test_all_that_a_leaked_token_made_ends_with_it(api: Api) -> None:
    leaked = make(api)
    child = make(api, leaked["secret"])["secret"]
    grandchild = make(api, child)["secret"]
    browser, unused = browse(api, token=leaked["secret"]), link(api, leaked["secret"])
    linked = browse(api, code=link(api, child))
    inside = make_in(linked)
    good = [status(api, secret) for secret in (child, grandchild, inside)]
    assert (good, browser.get("/api/v1/me").status_code, linked.get("/api/v1/me").status_code) == ([200] * 3, 200, 200)
    listed = {token["id"] for token in api.get("/tokens")["tokens"]}
    assert api.call("DELETE", f"/tokens/{leaked['id']}").status_code == 204
    assert [status(api, secret) for secret in (leaked["secret"], child, grandchild, inside)] == [401] * 4
    assert [one.get("/api/v1/me").status_code for one in (browser, linked)] == [401, 401]
    assert api.app.test_client().post("/api/v1/signin", json={"code": unused}, headers=HOME).status_code == 401
    assert len(listed) - len(api.get("/tokens")["tokens"]) == 6
    assert api.get("/me")["role"] == "member"


def test_what_a_token_makes_ends_no_later(api: Api) -> None:
    short = make(api, expires_in_days=1)
    ends = datetime.fromisoformat(short["expires_at"])
    assert datetime.fromisoformat(make(api, short["secret"])["expires_at"]) == ends
    assert api.post("/signin-links", role=None, headers=bearer(short["secret"]))["expires_at"] < short["expires_at"]
    refused, error = api.fail(
        "POST", "/tokens", {"name": "long", "expires_in_days": 2}, role=None, headers=bearer(short["secret"])
    )
    assert (refused, error["field"]) == (422, "expires_in_days")
    browser = browse(api, token=short["secret"])
    inside = make_in(browser)
    api.wait(86_399 - 15 * 60)
    assert (browser.get("/api/v1/me").status_code, status(api, inside)) == (200, 200)
    late = link(api, short["secret"])
    api.wait(15 * 60 + 2)
    assert (browser.get("/api/v1/me").status_code, status(api, inside)) == (401, 401)
    assert api.app.test_client().post("/api/v1/signin", json={"code": late}, headers=HOME).status_code == 401


def test_signing_out_leaves_tokens_that_still_end_with_the_maker(api: Api) -> None:
    root = make(api)
    browser = browse(api, token=root["secret"])
    inside = make_in(browser)
    browser.post("/api/v1/signout", headers=HOME)
    assert status(api, inside) == 200
    api.call("DELETE", f"/tokens/{root['id']}")
    assert status(api, inside) == 401


def test_a_session_that_ran_out_leaves_what_was_made(api: Api) -> None:
    root = make(api)
    inside = make_in(browse(api, token=root["secret"]))
    api.wait(timedelta(days=31).total_seconds())
    assert status(api, inside) == 200
    with db.write(api.engine) as conn:
        assert makers.remove_dead(conn, api.now) == 1  # the session
    assert status(api, inside) == 200
    api.call("DELETE", f"/tokens/{root['id']}")
    with db.write(api.engine) as conn:
        assert makers.remove_dead(conn, api.now) == 2
    assert status(api, inside) == 401


def test_a_token_made_as_its_maker_ends_is_worth_nothing(api: Api) -> None:
    """Another process remembers a token for some seconds after it was revoked."""
    root = make(api)
    with db.write(api.engine) as conn:
        maker = users.find_principal(conn, users.digest(root["secret"]), "token", api.now)
    assert maker is not None
    api.call("DELETE", f"/tokens/{root['id']}")
    with db.write(api.engine) as conn:
        late = users.make_credential(
            conn, maker.user_pk, "token", "late", Role.MEMBER, now=api.now, lasts=None, maker=maker.maker
        )
    assert status(api, late.secret) == 401
    with db.write(api.engine) as conn:
        makers.remove_dead(conn, api.now)
    assert status(api, late.secret) == 401


def test_a_token_made_for_another_ends_with_its_makers_user(api: Api) -> None:
    api.post("/users", {"name": "second", "role": "admin"}, role=Role.ADMIN)
    second = api.post("/tokens", {"name": "hers", "user": "second"}, role=Role.ADMIN)["secret"]
    api.token(Role.MEMBER)
    given = make(api, second, user="a member")["secret"]

    def role() -> str:
        return str(api.get("/me", role=None, headers=bearer(given))["role"])

    assert role() == "member"
    api.call("PATCH", "/users/second", {"role": "viewer"}, role=Role.ADMIN)
    assert role() == "viewer"
    api.call("DELETE", "/users/second", role=Role.ADMIN)
    assert status(api, given) == 401
    api.call("PATCH", "/users/second", {"is_disabled": False, "role": "admin"}, role=Role.ADMIN)
    assert role() == "member"


def test_tokens_do_not_make_one_another_without_end(api: Api) -> None:
    secret = make(api)["secret"]
    for _ in range(MAX_DEPTH - 2):  # below the member's own
        secret = make(api, secret)["secret"]
    refused, error = api.fail("POST", "/tokens", {"name": "deeper"}, role=None, headers=bearer(secret))
    assert (refused, str(MAX_DEPTH) in error["message"]) == (409, True)
    assert status(api, secret) == 200


@pytest.mark.parametrize("how", ["revoked", "expired"])
def test_an_open_stream_ends_with_its_token(how: str, api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    made = make(api, expires_in_days=1)
    answer = api.call("GET", "/stream", role=None, headers=bearer(made["secret"]))
    stream = answer.iter_encoded()
    assert next(stream).startswith(b"retry")
    if how == "expired":
        api.wait(86_401)
    else:
        monkeypatch.setattr(Hub, "wait", _revoke_meanwhile(api, made["id"]))
    assert list(stream) == []
    hub = api.app.extensions["keepbest"].hub
    wait_until(lambda: hub._listeners == 0)


def _revoke_meanwhile(api: Api, token: str) -> Any:
    waits = Hub.wait

    def wait(hub: Hub, after: int, seconds: float, wakes: int | None = None) -> Any:
        """As the stream begins to wait, somebody revokes its token; the wait must end at once, not at the heartbeat."""
        assert api.call("DELETE", f"/tokens/{token}").status_code == 204
        return waits(hub, after, 600, wakes)

    return wait


WORKER = {"name": "mill", "host": "mill.local", "pid": 7, "version": "0.1", "slots": 1}


def register_worker(api: Api, id: str, secret: str) -> int:
    return api.call("PUT", f"/workers/{id}", {"id": id, **WORKER}, role=None, headers=bearer(secret)).status_code


def test_a_workers_token_speaks_for_its_worker_only(api: Api) -> None:
    mine, other = (make(api, api.token(Role.ADMIN), role="worker") for _ in range(2))
    id = "a" * 12
    assert register_worker(api, id, mine["secret"]) == 200
    assert register_worker(api, id, mine["secret"]) == 200
    how: dict[str, Any] = {"role": None, "headers": bearer(other["secret"])}
    assert register_worker(api, id, other["secret"]) == 403
    assert api.fail("POST", "/leases", {"worker": id}, **how)[0] == 403
    assert api.fail("DELETE", f"/workers/{id}", **how)[0] == 403
    api.call("DELETE", f"/tokens/{mine['id']}", role=Role.ADMIN)
    assert register_worker(api, id, other["secret"]) == 200  # its token was renewed


def test_a_workers_token_gets_no_lease_of_a_scripts_run(api: Api) -> None:
    asked = {"source": {"kind": "external"}, "monitor": "val_loss", "mode": "min"}
    run = api.post("/runs", asked)["id"]
    refused, error = api.fail("POST", "/leases", {"run": run}, role=Role.WORKER)
    assert (refused, error["field"]) == (403, "run")
    lease = api.post("/leases", {"run": run})["lease"]["token"]
    api.post(f"/leases/{run}/release", {"outcome": "finished", "stop_reason": "patience"}, lease=lease)
    assert api.fail("POST", "/leases", {"run": run}, role=Role.WORKER)[0] == 403
    assert api.get(f"/runs/{run}")["state"] == "finished"


@pytest.mark.parametrize("path", ["/api/v1/me", "/api/v1/health", "/api/v1/nothing", "/", "/api/v1/openapi.json"])
def test_no_answer_is_taken_for_something_else(path: str, api: Api) -> None:
    answer = api.app.test_client().get(path, headers=bearer(api.token(Role.MEMBER)))
    answer.close()
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
