"""Artifacts over the API: up, listed, down, deleted; hostile paths and files; limits; who may write."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from keepbest.status import Role
from tests.support.api import Api
from tests.support.trainer import start_external
from tracker.db import Engine


@pytest.fixture
def run(api: Api) -> str:
    return start_external(api).run


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def put(api: Api, run: str, path: str, data: bytes = b"bytes", **more: Any) -> dict[str, Any]:
    """Send a file that the tracker must take."""
    answer = api.call("PUT", f"/runs/{run}/artifacts/{quote(path)}", data, **more)
    assert answer.status_code == 200, answer.text
    return dict(answer.get_json())


def get(api: Api, run: str, path: str, **more: Any) -> Any:
    answer = api.call("GET", f"/runs/{run}/artifacts/{quote(path, safe='/?=')}", **more)
    answer.get_data()
    answer.close()  # as a server does
    return answer


def paths(api: Api, run: str, query: str = "") -> list[str]:
    return [item["path"] for item in api.get(f"/runs/{run}/artifacts{query}")["artifacts"]]


def events_of(api: Api, run: str) -> list[dict[str, Any]]:
    events = api.get(f"/events?after=0&run={run}")["events"]
    return [event["data"] for event in events if event["kind"] == "run.artifact"]


def files(folder: Path, room: str) -> list[str]:
    return sorted(path.name for path in (folder / "store" / room).rglob("*") if path.is_file())


def test_a_file_comes_back_as_it_was_sent(api: Api, run: str, tmp_path: Path) -> None:
    data = bytes(range(256)) * 5000
    made = put(api, run, "plots/räume 1.png", data, role=Role.MEMBER)
    known = {"path": "plots/räume 1.png", "version": 1, "kind": "image", "media_type": "image/png", "is_current": True}
    assert {name: made[name] for name in known} == known
    assert (made["digest"], made["size_bytes"], made["user"]) == (digest(data), len(data), "a member")
    answer = get(api, run, "plots/räume 1.png", role=Role.VIEWER)
    assert answer.data == data
    assert answer.headers["ETag"] == f'"{digest(data)}"'
    assert get(api, run, "plots/räume 1.png", headers={"If-None-Match": f'"{digest(data)}"'}).status_code == 304
    part = get(api, run, "plots/räume 1.png", headers={"Range": "bytes=10-19"})
    assert (part.status_code, part.data) == (206, data[10:20])
    assert files(tmp_path, "objects") == [f"{digest(data)}.file"]
    assert files(tmp_path, "incoming") == []
    assert events_of(api, run) == [made]


def test_the_same_bytes_again_are_the_same_version(api: Api, run: str, tmp_path: Path) -> None:
    first = put(api, run, "a.txt", b"one")
    assert put(api, run, "a.txt", b"one") == first
    second = put(api, run, "a.txt", b"two")
    assert (second["version"], second["is_current"]) == (2, True)
    assert put(api, run, "a.txt", b"one")["version"] == 3
    assert get(api, run, "a.txt").data == b"one"
    assert get(api, run, "a.txt?version=2").data == b"two"
    assert get(api, run, "a.txt?version=4").status_code == 404
    page = api.get(f"/runs/{run}/artifacts?versions=true")
    assert [(item["version"], item["is_current"]) for item in page["artifacts"]] == [(3, True), (2, False), (1, False)]
    assert (page["total"], page["bytes"]) == (3, 9)
    assert len(files(tmp_path, "artifacts")) == 3
    assert len(files(tmp_path, "objects")) == 2


def test_older_versions_go_beyond_the_bound(engine: Engine, tmp_path: Path) -> None:
    api = Api(engine, tmp_path, artifact_versions=2)
    run = start_external(api).run
    for number in range(4):
        put(api, run, "a.txt", f"{number}".encode())
    page = api.get(f"/runs/{run}/artifacts?versions=true")
    assert [item["version"] for item in page["artifacts"]] == [4, 3]
    api.close()


def test_a_list_is_paged_by_path_and_narrowed_by_its_beginning(api: Api, run: str) -> None:
    for path in ("b/2", "a", "b/10", "B", "bö", "c%x", "b.txt"):
        put(api, run, path, path.encode())
    everything = ["B", "a", "b.txt", "b/10", "b/2", "bö", "c%x"]
    assert paths(api, run) == everything
    assert paths(api, run, "?prefix=b/") == ["b/10", "b/2"]
    assert paths(api, run, "?prefix=%25") == []
    first = api.get(f"/runs/{run}/artifacts?limit=3")
    rest = api.get(f"/runs/{run}/artifacts?limit=10&cursor={first['cursor']}")
    assert [item["path"] for item in (*first["artifacts"], *rest["artifacts"])] == everything
    assert (first["total"], rest["total"], rest["cursor"]) == (7, None, None)
    assert api.fail("GET", f"/runs/{run}/artifacts?cursor=WyJhcnRpZmFjdHMiLG51bGwsbnVsbF0")[0] == 422


HOSTILE = [
    "../x", "a/../../x", "a/..", ".", "./a", "a/./b", "a\\b", "..\\x", "/etc/passwd", "a//b", "a/", "a\nb", "a\u202eb",
    "a\u2066b", "a\x7f", "x" * 501, "é" * 128, "/".join("a" * 22),
]  # fmt: skip


@pytest.mark.parametrize("path", HOSTILE)
def test_a_hostile_path_is_refused(api: Api, run: str, path: str, tmp_path: Path) -> None:
    answer = api.call("PUT", f"/runs/{run}/artifacts/{quote(path, safe='')}", b"x")
    assert answer.status_code in (308, 404, 422), answer.text
    assert files(tmp_path, "objects") == []


def test_a_path_with_nul_is_not_found(api: Api, run: str) -> None:
    assert api.fail("PUT", f"/runs/{run}/artifacts/a%00b", b"x")[0] == 404


def test_a_file_and_a_folder_have_different_names(api: Api, run: str) -> None:
    put(api, run, "plots/roc.png")
    status, error = api.fail("PUT", f"/runs/{run}/artifacts/plots", b"x")
    assert (status, "is a folder" in error["message"]) == (409, True)
    status, error = api.fail("PUT", f"/runs/{run}/artifacts/plots/roc.png/more/x", b"x")
    assert (status, "is a file" in error["message"]) == (409, True)
    put(api, run, "plots.txt")
    assert api.call("DELETE", f"/runs/{run}/artifacts/plots/roc.png").status_code == 204
    put(api, run, "plots")


@pytest.mark.parametrize(
    ("name", "sent"),
    [
        ("page.html", "text/html"), ("x.svg", "image/svg+xml"), ("x.js", "text/javascript"), ("x.xml", "text/xml"),
        ("x.css", "text/css"), ("x.pdf", "application/pdf"), ("x.png", "text/html"), ("x", "text/html;charset=utf-7"),
    ],
)  # fmt: skip
def test_what_can_hold_code_is_sent_as_plain_bytes(api: Api, run: str, name: str, sent: str) -> None:
    put(api, run, name, b"<script>alert(1)</script>", headers={"Content-Type": sent})
    answer = get(api, run, name)
    assert answer.headers["Content-Type"] == "application/octet-stream"
    assert answer.headers["Content-Disposition"].startswith("attachment")
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Content-Security-Policy"] == "sandbox; default-src 'none'"


def test_a_hostile_name_breaks_no_header(api: Api, run: str) -> None:
    for path in ('a/"; filename=x.html', "a/ü;\N{SNOWMAN}%0d%0a.txt", "a/ b", "a/<img src=x onerror=alert(1)>"):
        put(api, run, path)
        answer = get(api, run, path)
        assert answer.data == b"bytes"
        assert answer.headers["Content-Disposition"].startswith("attachment; filename")


def test_other_bytes_than_the_digest_says_are_refused(api: Api, run: str, tmp_path: Path) -> None:
    wrong = {"Keepbest-Digest": digest(b"other")}
    status, error = api.fail("PUT", f"/runs/{run}/artifacts/a", b"bytes", headers=wrong)
    assert (status, error["field"]) == (422, "digest")
    assert api.fail("PUT", f"/runs/{run}/artifacts/a", b"x", headers={"Keepbest-Digest": "x"})[0] == 422
    assert api.fail("PUT", f"/runs/{run}/artifacts/a", b"x", headers={"Keepbest-Kind": "tabel"})[1]["field"] == "kind"
    assert (files(tmp_path, "objects"), files(tmp_path, "incoming"), paths(api, run)) == ([], [], [])


def test_a_known_file_needs_no_bytes(api: Api, run: str, tmp_path: Path) -> None:
    other = start_external(api).run
    known = {"Keepbest-Digest": digest(b"bytes"), "Keepbest-Known": "yes"}
    assert api.fail("PUT", f"/runs/{run}/artifacts/a", b"", headers=known)[0] == 404
    put(api, other, "b")
    assert put(api, run, "a", b"", headers=known)["size_bytes"] == 5
    assert get(api, run, "a").data == b"bytes"
    (tmp_path / "store/objects" / digest(b"bytes")[:2] / f"{digest(b'bytes')}.file").unlink()
    assert api.fail("PUT", f"/runs/{run}/artifacts/c", b"", headers=known)[0] == 404
    assert paths(api, run) == ["a"]
    put(api, run, "a")
    assert get(api, other, "b").data == b"bytes"


def test_an_empty_file_is_a_file(api: Api, run: str) -> None:
    assert put(api, run, "empty", b"")["size_bytes"] == 0
    assert get(api, run, "empty").data == b""


def test_limits_of_a_file_and_of_a_run(engine: Engine, tmp_path: Path) -> None:
    api = Api(engine, tmp_path, artifact_bytes=10, run_artifacts=3, run_artifact_bytes=20)
    run = start_external(api).run
    assert api.fail("PUT", f"/runs/{run}/artifacts/a", b"x" * 11)[0] == 413
    put(api, run, "a", b"x" * 10)
    put(api, run, "b", b"y" * 9)
    status, error = api.fail("PUT", f"/runs/{run}/artifacts/c", b"zz")
    assert (status, "KEEPBEST_RUN_ARTIFACT_BYTES" in error["hint"]) == (413, True)
    put(api, run, "c", b"z")
    status, error = api.fail("PUT", f"/runs/{run}/artifacts/d", b"")
    assert (status, "KEEPBEST_RUN_ARTIFACTS" in error["hint"]) == (413, True)
    put(api, run, "a", b"x" * 10, headers={"Keepbest-Digest": digest(b"x" * 10)})
    assert len(files(tmp_path, "objects")) == 3
    api.close()


def test_a_worker_writes_only_under_the_runs_lease(api: Api) -> None:
    trainer, other = start_external(api), start_external(api)
    path = f"/runs/{trainer.run}/artifacts/a"
    assert api.fail("PUT", path, b"x", role=Role.WORKER)[1]["code"] == "lease_lost"
    assert api.fail("PUT", path, b"x", role=Role.WORKER, lease=other.lease)[1]["code"] == "lease_lost"
    put(api, trainer.run, "a", role=Role.WORKER, lease=trainer.lease)
    assert api.fail("PUT", path, b"x", role=Role.VIEWER)[0] == 403
    assert api.fail("DELETE", path, role=Role.WORKER)[0] == 403


def test_an_artifact_is_deleted_with_its_versions(api: Api, run: str) -> None:
    put(api, run, "a", b"1")
    put(api, run, "a", b"2")
    assert api.call("DELETE", f"/runs/{run}/artifacts/a").status_code == 204
    assert paths(api, run, "?versions=true") == []
    assert api.fail("GET", f"/runs/{run}/artifacts/a")[0] == 404
    assert api.fail("DELETE", f"/runs/{run}/artifacts/a")[0] == 404
    assert events_of(api, run)[-1] == {"path": "a", "is_current": False}
    audit = api.get("/audit", role=Role.ADMIN)["entries"]
    assert (audit[0]["action"], audit[0]["detail"]["path"]) == ("artifact.delete", "a")
    assert put(api, run, "a", b"3")["version"] == 3


def test_artifacts_count_in_storage(api: Api, run: str) -> None:
    other = start_external(api).run
    put(api, run, "a", b"12345")
    put(api, run, "b", b"12345")
    put(api, other, "a", b"123")
    (row,) = api.get("/storage")["rows"]
    assert (row["kind"], row["checkpoints"], row["bytes"]) == ("artifact", 3, 8)
