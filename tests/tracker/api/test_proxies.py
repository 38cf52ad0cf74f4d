"""A proxy in front: whose words about the client count, and which origin the dashboard then has."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from keepbest.errors import InvalidInput
from keepbest.status import Role
from tests.support.api import Api
from tracker.api.principals import FAILURES
from tracker.api.proxies import trust_proxies
from tracker.db import Engine


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """What is tested here does not depend on the database."""
    return sqlite_url


NAMED = "10.0.0.5, 10.1.0.0/16, ::1"
#: Who connects, what X-Forwarded-For says, and who it is.
CLIENTS = [
    ("10.0.0.5", "203.0.113.9", "203.0.113.9"),
    ("10.0.0.5", "198.51.100.1, 203.0.113.9", "203.0.113.9"),  # the first one is the client's own word
    ("10.0.0.5", "203.0.113.9, 10.1.2.3", "203.0.113.9"),  # a chain of two named proxies
    ("10.0.0.5", "10.1.2.3", "10.1.2.3"),  # a request of the inner proxy's own
    ("10.0.0.5", "", "10.0.0.5"),
    ("10.0.0.5", "203.0.113.9, not an address", "not an address"),
    ("::1", "2001:db8::7", "2001:db8::7"),
    ("203.0.113.9", "10.0.0.5", "203.0.113.9"),  # nobody's proxy
    ("10.0.0.6", "198.51.100.1", "10.0.0.6"),
]


def seen(connects: str, named: str, **headers: str) -> dict[str, Any]:
    found: dict[str, Any] = {}

    def app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        found.update(environ)
        return []

    environ = {"REMOTE_ADDR": connects, "wsgi.url_scheme": "http", "HTTP_HOST": "inside", **headers}
    trust_proxies(app, named)(environ, lambda *_: None)
    return found


@pytest.mark.parametrize(("connects", "forwarded", "client"), CLIENTS)
def test_the_client_is_who_a_named_proxy_says(connects: str, forwarded: str, client: str) -> None:
    assert seen(connects, NAMED, HTTP_X_FORWARDED_FOR=forwarded)["REMOTE_ADDR"] == client


def test_scheme_and_host_come_from_a_named_proxy_only() -> None:
    said = {"HTTP_X_FORWARDED_PROTO": "https", "HTTP_X_FORWARDED_HOST": "keepbest.example"}
    inside = seen("10.0.0.5", NAMED, **said)
    assert (inside["wsgi.url_scheme"], inside["HTTP_HOST"]) == ("https", "keepbest.example")
    outside = seen("10.0.0.6", NAMED, **said)
    assert (outside["wsgi.url_scheme"], outside["HTTP_HOST"]) == ("http", "inside")


@pytest.mark.parametrize("named", ["proxy.example", "10.0.0.0/33", "10.0.0.5;10.0.0.6"])
def test_a_name_that_is_no_address_stops_the_start(named: str) -> None:
    with pytest.raises(InvalidInput, match="KEEPBEST_TRUSTED_PROXIES"):
        trust_proxies(lambda *_: [], named)


@pytest.fixture
def proxied(engine: Engine, tmp_path: Path) -> Iterable[Api]:
    api = Api(engine, tmp_path, trusted_proxies="10.0.0.5")
    yield api
    api.close()


def sign_in(api: Api, client: str, token: str, origin: str = "https://keepbest.example") -> int:
    said = {"X-Forwarded-For": client, "X-Forwarded-Proto": "https", "X-Forwarded-Host": "keepbest.example"}
    answer = api.app.test_client().post(
        "/api/v1/signin",
        json={"token": token},
        headers={"Origin": origin, **said},
        environ_base={"REMOTE_ADDR": "10.0.0.5"},
    )
    return answer.status_code


def test_one_clients_guesses_do_not_keep_another_one_waiting(proxied: Api) -> None:
    assert {sign_in(proxied, "203.0.113.9", "kb_guess") for _ in range(FAILURES)} == {401}
    assert sign_in(proxied, "203.0.113.9", "kb_guess") == 503
    assert sign_in(proxied, "203.0.113.10", "kb_guess") == 401


def test_behind_tls_the_origin_is_https(proxied: Api) -> None:
    token = proxied.token(Role.MEMBER)
    assert sign_in(proxied, "203.0.113.9", token) == 200
    assert sign_in(proxied, "203.0.113.9", token, origin="http://keepbest.example") == 403


def test_a_secure_cookie_says_that_pages_are_https(engine: Engine, tmp_path: Path) -> None:
    api = Api(engine, tmp_path, secure_cookie=True)
    browser, body = api.app.test_client(), {"token": api.token(Role.MEMBER)}
    signs = [
        browser.post("/api/v1/signin", json=body, headers={"Origin": f"{scheme}://localhost"}).status_code
        for scheme in ("http", "https")
    ]
    api.close()
    assert signs == [403, 200]
