"""Answers are packed for who takes that, large ones only, and their tags still name the same state."""

from __future__ import annotations

import gzip
from typing import Any

import pytest

from tests.support.api import Api
from tracker.api import compression

TAKES = {"Accept-Encoding": "gzip, deflate, br, zstd"}


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """What is tested here does not depend on the database."""
    return sqlite_url


def get(api: Api, path: str, **headers: str) -> Any:
    return api.call("GET", path, headers=headers)


def test_a_large_answer_is_packed_for_who_takes_it(api: Api) -> None:
    plain = get(api, "/openapi.json")
    packed = get(api, "/openapi.json", **TAKES)
    assert "Content-Encoding" not in plain.headers
    assert packed.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(packed.data) == plain.data
    assert int(packed.headers["Content-Length"]) == len(packed.data) < len(plain.data) / 5
    assert "Accept-Encoding" in plain.headers["Vary"]
    assert "Accept-Encoding" in packed.headers["Vary"]


def test_who_refuses_gzip_gets_plain_bytes(api: Api) -> None:
    assert "Content-Encoding" not in get(api, "/openapi.json", **{"Accept-Encoding": "gzip;q=0, br"}).headers


def test_a_small_answer_is_left_alone(api: Api) -> None:
    answer = get(api, "/me", **TAKES)
    assert len(answer.data) < compression.LEAST_BYTES
    assert "Content-Encoding" not in answer.headers


def test_an_unchanged_answer_is_304_packed_or_not(api: Api) -> None:
    plain = get(api, "/openapi.json").headers["ETag"]
    packed = get(api, "/openapi.json", **TAKES).headers["ETag"]
    assert packed == f"W/{plain}"
    for tag in (plain, packed):
        for takes in ({}, TAKES):
            answer = get(api, "/openapi.json", **takes, **{"If-None-Match": tag})
            assert (answer.status_code, answer.data) == (304, b"")
    assert get(api, "/openapi.json", **TAKES, **{"If-None-Match": '"other"'}).status_code == 200


def test_a_tag_of_packed_rules_lets_them_be_changed(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    api.post("/projects", {"name": "digits"})
    monkeypatch.setattr(compression, "LEAST_BYTES", 1)
    tag = get(api, "/rules/digits", **TAKES).headers["ETag"]
    assert tag.startswith("W/")
    for status in (200, 412):
        answer = api.call("PUT", "/rules/digits", {"max_steps": 7}, headers={"If-Match": tag})
        assert answer.status_code == status


def test_a_failure_is_left_alone(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compression, "LEAST_BYTES", 1)
    failed = get(api, "/runs/nothing", **TAKES)
    assert (failed.status_code, failed.headers.get("Content-Encoding")) == (404, None)
