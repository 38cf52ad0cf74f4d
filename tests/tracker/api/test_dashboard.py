"""The dashboard's files: one page for every address, assets for ever, headers that let nothing else in."""

from __future__ import annotations

from pathlib import Path

import pytest
from werkzeug.test import TestResponse

from tests.support.api import Api
from tracker.api import dashboard


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """What is tested here does not depend on the database."""
    return sqlite_url


@pytest.fixture
def dist(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "webui_dist"
    (folder / "assets").mkdir(parents=True)
    (folder / "index.html").write_text("<!doctype html><title>keepbest</title>")
    (folder / "favicon.svg").write_text("<svg/>")
    (folder / ".stamp").write_text("digest")
    (folder / "assets/index-abc.js").write_text("let a")
    (tmp_path / "secret.txt").write_text("hidden words")
    monkeypatch.setattr(dashboard, "DIST", folder)
    return folder


def fetch(api: Api, path: str, headers: dict[str, str] | None = None) -> TestResponse:
    return api.app.test_client().get(path, headers=headers, buffered=True)


@pytest.mark.parametrize("path", ["/", "/signin", "/runs/abc", "/projects/a/b", "/.stamp", "/nothing.js"])
def test_every_address_is_the_page(api: Api, dist: Path, path: str) -> None:
    answer = fetch(api, path)
    assert (answer.status_code, answer.text) == (200, "<!doctype html><title>keepbest</title>")
    assert "default-src 'self'" in answer.headers["Content-Security-Policy"]
    assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Cache-Control"] == "no-cache"


def test_pages_with_more_files_have_an_index_of_their_own(api: Api, dist: Path) -> None:
    (dist / "run.html").write_text("of a run")
    assert fetch(api, "/r/abc").text == "of a run"
    for path in ("/r/abc/more", "/p/digits", "/s/abc"):  # the build wrote none for projects
        assert fetch(api, path).text == "<!doctype html><title>keepbest</title>"


def test_an_asset_is_kept_for_ever(api: Api, dist: Path) -> None:
    answer = fetch(api, "/assets/index-abc.js")
    assert (answer.text, answer.headers["Content-Type"].partition(";")[0]) == ("let a", "text/javascript")
    assert "immutable" in answer.headers["Cache-Control"]
    assert fetch(api, "/favicon.svg").headers["Content-Type"].startswith("image/svg+xml")


@pytest.mark.parametrize(
    "path", ["/assets/../../secret.txt", "/assets/%2e%2e/%2e%2e/secret.txt", "/../secret.txt", "//etc/passwd"]
)
def test_nothing_outside_is_served(api: Api, dist: Path, path: str) -> None:
    assert "hidden words" not in fetch(api, path).text


def test_an_address_of_the_api_is_never_the_page(api: Api, dist: Path) -> None:
    answer = fetch(api, "/api/v1/nothing")
    assert (answer.status_code, answer.get_json()["error"]["code"]) == (404, "not_found")


def test_where_it_is_not_built_a_page_names_the_command(
    api: Api, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dashboard, "DIST", tmp_path / "nothing")
    answer = fetch(api, "/runs/abc")
    assert answer.status_code == 200
    assert dashboard.BUILD_COMMAND in answer.text


PLAIN = (None, b"let a")
TAKES = {"gzip, deflate, br": ("br", b"by brotli"), "gzip": ("gzip", b"by gzip"), "br;q=0": PLAIN, "": PLAIN}


def test_a_packed_file_goes_to_who_takes_it(api: Api, dist: Path) -> None:
    (dist / "assets/index-abc.js.br").write_bytes(b"by brotli")
    (dist / "assets/index-abc.js.gz").write_bytes(b"by gzip")
    for takes, (encoding, body) in TAKES.items():
        answer = fetch(api, "/assets/index-abc.js", {"Accept-Encoding": takes})
        assert (answer.data, answer.headers.get("Content-Encoding")) == (body, encoding)
        assert answer.headers["Content-Type"].startswith("text/javascript")
        assert answer.headers["Vary"] == "Accept-Encoding"
        kept = {"Accept-Encoding": takes, "If-None-Match": answer.headers["ETag"]}
        assert fetch(api, "/assets/index-abc.js", kept).status_code == 304
