"""Artifacts as MLflow's clients send, list, fetch and delete them; what is hostile is refused in MLflow's form."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from werkzeug.test import TestResponse

from keepbest.status import Role
from tests.support.api import Api
from tests.support.mlflow import Mlflow
from tracker import db
from tracker.db import Engine
from tracker.store import leases

ROOT = "/api/2.0/mlflow-artifacts/artifacts"


def put(mlflow: Mlflow, run: str, path: str, data: bytes = b"bytes", **headers: str) -> None:
    answer = call(mlflow, "PUT", run, path, data, **headers)
    assert (answer.status_code, answer.get_json()) == (200, {}), answer.text


def call(mlflow: Mlflow, method: str, run: str, path: str, data: bytes | None = None, **how: Any) -> TestResponse:
    sent = data if method == "PUT" else None
    answer = mlflow.call(method, f"/0/{run}/artifacts/{quote(path)}", sent, prefix=ROOT, **how)
    answer.get_data()
    answer.close()  # as a server does
    return answer


def listed(mlflow: Mlflow, run: str, folder: str = "") -> Any:
    address = f"0/{run}/artifacts/{folder}".rstrip("/")
    return mlflow.call("GET", "", {"path": address}, prefix=ROOT).get_json()


def test_a_file_comes_back_as_it_was_sent(mlflow: Mlflow) -> None:
    run = mlflow.begin()
    data = bytes(range(256)) * 3000
    put(mlflow, run, "plots/räume 1%2.png", data, **{"Content-Type": "image/png"})
    assert call(mlflow, "GET", run, "plots/räume 1%2.png").data == data
    part = call(mlflow, "GET", run, "plots/räume 1%2.png", Range="bytes=3-9")
    assert (part.status_code, part.data) == (206, data[3:10])
    (own,) = mlflow.api.get(f"/runs/{run}/artifacts")["artifacts"]
    assert (own["path"], own["kind"], own["user"], own["size_bytes"]) == (
        "plots/räume 1%2.png", "image", "a member", len(data),
    )  # fmt: skip


def test_a_folder_is_listed_one_level_at_a_time(mlflow: Mlflow) -> None:
    run = mlflow.begin()
    for path in ("a.txt", "b/c.txt", "b/d/e.txt", "b/d/f.txt", "b!x"):
        put(mlflow, run, path, path.encode())
    assert listed(mlflow, run) == {
        "files": [
            {"path": "a.txt", "is_dir": False, "file_size": 5},
            {"path": "b", "is_dir": True},
            {"path": "b!x", "is_dir": False, "file_size": 3},
        ]
    }
    assert [each["path"] for each in listed(mlflow, run, "b")["files"]] == ["c.txt", "d"]
    assert listed(mlflow, run, "a.txt") == listed(mlflow, run, "none") == {}
    shown = mlflow.call("GET", "/artifacts/list", {"run_id": run, "path": "b/d"}).get_json()
    assert shown["root_uri"] == mlflow.run(run)["info"]["artifact_uri"]
    assert [each["path"] for each in shown["files"]] == ["b/d/e.txt", "b/d/f.txt"]


def test_a_file_sent_again_is_its_next_version(mlflow: Mlflow) -> None:
    run = mlflow.begin()
    for data in (b"1", b"2", b"2"):
        put(mlflow, run, "a", data)
    assert call(mlflow, "GET", run, "a").data == b"2"
    versions = mlflow.api.get(f"/runs/{run}/artifacts?versions=true")["artifacts"]
    assert [each["version"] for each in versions] == [2, 1]


def test_an_empty_file_comes_without_a_length(mlflow: Mlflow) -> None:
    run = mlflow.begin()
    put(mlflow, run, "__init__.py", b"", **{"Transfer-Encoding": "chunked"})
    assert call(mlflow, "GET", run, "__init__.py").data == b""


def test_a_file_or_a_folder_is_deleted(mlflow: Mlflow) -> None:
    run = mlflow.begin()
    for path in ("a", "ab", "d/e", "d/f"):
        put(mlflow, run, path)
    for path in ("a", "d"):
        assert call(mlflow, "DELETE", run, path).status_code == 200
    assert [each["path"] for each in listed(mlflow, run)["files"]] == ["ab"]
    assert call(mlflow, "DELETE", run, "a").status_code == 404
    assert call(mlflow, "DELETE", run, "").status_code == 200
    assert listed(mlflow, run) == {}


HOSTILE = ["../x", "a/../../x", "./a", "a\\b", "a\tb", "a\u202eb", "x" * 501, "/".join("a" * 22)]


@pytest.mark.parametrize("path", HOSTILE)
@pytest.mark.parametrize("method", ["PUT", "GET", "DELETE"])
def test_a_hostile_path_is_refused(mlflow: Mlflow, method: str, path: str, tmp_path: Path) -> None:
    address = quote(f"/0/{mlflow.begin()}/artifacts/{path}", safe="/")
    status, code, message = mlflow.fail(method, address, b"x" if method == "PUT" else None, prefix=ROOT)
    assert (status, code) == (400, "INVALID_PARAMETER_VALUE")
    assert message.startswith("Invalid path")
    assert not list((tmp_path / "store").rglob("*.file"))


NOWHERE = ["/0", "/0/RUN", "/0/RUN/x", "/0/RUN/checkpoints/x", "/0/none/artifacts/x", "/0/aaaaaaaaaaaa/artifacts/x"]


@pytest.mark.parametrize("address", NOWHERE)
def test_an_address_of_no_run_is_not_found(mlflow: Mlflow, address: str) -> None:
    place = address.replace("RUN", mlflow.begin())
    for method in ("PUT", "GET", "DELETE"):
        assert mlflow.fail(method, place, b"x" if method == "PUT" else None, prefix=ROOT)[:2] == (
            404,
            "RESOURCE_DOES_NOT_EXIST",
        )
    assert mlflow.fail("GET", "", {"path": place}, prefix=ROOT)[0] == 404


def test_a_folders_own_address_takes_no_file(mlflow: Mlflow) -> None:
    run = mlflow.begin()
    put(mlflow, run, "a/b")
    for method, path in (("PUT", ""), ("GET", ""), ("PUT", "a"), ("PUT", "a/b/c")):
        assert call(mlflow, method, run, path, b"x").status_code == 400
    assert call(mlflow, "GET", run, "a").status_code == 404


def test_a_file_has_a_size(engine: Engine, tmp_path: Path) -> None:
    api = Api(engine, tmp_path, artifact_bytes=10, run_artifacts=2)
    mlflow = Mlflow(api)
    run = mlflow.begin()
    refused = call(mlflow, "PUT", run, "large", b"x" * 11)
    assert (refused.status_code, refused.get_json()["error_code"]) == (413, "INVALID_PARAMETER_VALUE")
    for path in ("a", "b"):
        put(mlflow, run, path)
    assert "2 artifacts" in call(mlflow, "PUT", run, "c", b"x").get_json()["message"]
    api.close()


def test_a_deleted_run_takes_no_file(mlflow: Mlflow) -> None:
    run = mlflow.begin()
    put(mlflow, run, "a")
    mlflow.post("/runs/delete", run_id=run)
    for method in ("PUT", "GET", "DELETE"):
        assert call(mlflow, method, run, "a", b"x").status_code == 404
    mlflow.post("/runs/restore", run_id=run)
    assert call(mlflow, "GET", run, "a").data == b"bytes"


def test_a_viewer_reads_only(mlflow: Mlflow) -> None:
    run = mlflow.begin()
    put(mlflow, run, "a")
    assert call(mlflow, "GET", run, "a", role=Role.VIEWER).status_code == 200
    assert call(mlflow, "PUT", run, "b", b"x", role=Role.VIEWER).status_code == 403
    assert call(mlflow, "DELETE", run, "a", role=Role.VIEWER).status_code == 403


def test_a_file_brings_a_silent_run_back(mlflow: Mlflow) -> None:
    run = mlflow.begin()
    with db.write(mlflow.api.engine) as conn:
        leases.shorten_leases(conn, seconds=30, now=mlflow.api.wait(90_000))
        leases.expire_leases(conn, mlflow.api.now)
    put(mlflow, run, "a")
    assert mlflow.run(run)["info"]["status"] == "RUNNING"


def test_what_can_run_code_is_an_attachment(mlflow: Mlflow) -> None:
    run = mlflow.begin()
    put(mlflow, run, "page.html", b"<script>alert(1)</script>", **{"Content-Type": "text/html"})
    answer = call(mlflow, "GET", run, "page.html")
    assert answer.headers["Content-Type"] == "application/octet-stream"
    assert answer.headers["Content-Disposition"].startswith("attachment")


def test_nothing_optional_is_offered(mlflow: Mlflow) -> None:
    shown = mlflow.call("GET", "/api/3.0/mlflow/server-info", prefix="").get_json()
    assert {name for name, value in shown.items() if value} == {"store_type"}
