"""`keepbest artifacts` against the real tracker: send, list, fetch, delete; folders, versions, hostile names."""

from __future__ import annotations

from pathlib import Path

import pytest

from keepbest.client.client import Client
from keepbest.contract.artifacts import Artifact, ArtifactPage
from keepbest.contract.base import new_id
from keepbest.contract.runs import ExternalSource, Mode, RunRequest
from tests.keepbest.cli.conftest import Run as Keepbest
from tests.support.live import Live

pytestmark = pytest.mark.usefixtures("signed_in")


@pytest.fixture
def client(live: Live) -> Client:
    return live.client()


@pytest.fixture
def run(client: Client) -> str:
    return client.submit(RunRequest(source=ExternalSource(), monitor="val_loss", mode=Mode.MIN)).id


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "mine"
    (made / "deep").mkdir(parents=True)
    (made / "a.txt").write_text("one")
    (made / "deep" / "b.bin").write_bytes(b"\0" * 2000)
    return made


def test_a_folder_is_sent_listed_and_fetched(keepbest: Keepbest, run: str, folder: Path, tmp_path: Path) -> None:
    done = keepbest("artifacts", "put", run[:6], folder)
    assert (done.status, done.out) == (0, "2 files sent (2.0 kB).\n"), done.err
    listed = keepbest("artifacts", "ls", run)
    assert [line.split()[0] for line in listed.out.splitlines()] == ["path", "mine/a.txt", "mine/deep/b.bin", "2"]
    assert [item["path"] for item in keepbest("artifacts", "ls", run, "mine/d", "--json").json["artifacts"]] == [
        "mine/deep/b.bin"
    ]
    to = tmp_path / "to"
    assert keepbest("artifacts", "get", run, "mine/", "--to", to).status == 0
    assert (to / "mine/deep/b.bin").read_bytes() == b"\0" * 2000
    assert keepbest("artifacts", "get", run, "mine/deep/b.bin", "--to", to, "--json").json == {
        "written": [str(to / "b.bin")]
    }


def test_an_older_version_is_fetched_by_its_number(keepbest: Keepbest, run: str, folder: Path, tmp_path: Path) -> None:
    for text in ("one", "two"):
        (folder / "a.txt").write_text(text)
        assert keepbest("artifacts", "put", run, folder / "a.txt", "notes/a.txt").status == 0
    assert "notes/a.txt" in keepbest("artifacts", "ls", run, "--versions").out
    to = tmp_path / "to"
    assert keepbest("artifacts", "get", run, "notes/a.txt", "--version", "1", "--to", to).status == 0
    assert (to / "a.txt").read_text() == "one"
    refused = keepbest("artifacts", "get", run, "notes/a.txt", "--to", to)
    assert (refused.status, "--force" in refused.err) == (2, True)
    assert keepbest("artifacts", "get", run, "notes/a.txt", "--to", to, "--force").status == 0
    assert (to / "a.txt").read_text() == "two"


def test_a_folder_of_files_is_deleted(keepbest: Keepbest, run: str, folder: Path, client: Client) -> None:
    keepbest("artifacts", "put", run, folder, "x")
    keepbest("artifacts", "put", run, folder / "a.txt", "xy.txt")
    done = keepbest("artifacts", "rm", run, "x", "--yes")
    assert (done.status, done.out) == (0, "2 files deleted.\n")
    assert [item.path for item in client.files.list(run).artifacts] == ["xy.txt"]
    missing = keepbest("artifacts", "rm", run, "x", "--yes")
    assert (missing.status, "has no artifact 'x'" in missing.err) != (0, True)


@pytest.mark.parametrize(("file", "name"), [("missing", "a"), ("a.txt", "../a"), ("a.txt", "/etc/passwd")])
def test_what_cannot_be_sent_is_named(keepbest: Keepbest, run: str, folder: Path, file: str, name: str) -> None:
    done = keepbest("artifacts", "put", run, folder / file, name)
    assert (done.status, done.out) == (2, "")


def test_a_path_of_the_tracker_leads_nowhere_else(
    keepbest: Keepbest, run: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    facts = {
        "id": new_id(),
        "run": run,
        "version": 1,
        "kind": "file",
        "media_type": "x/y",
        "size_bytes": 1,
        "user": "u",
    }
    facts |= {"digest": "a" * 64, "is_current": True, "at": "2026-01-01T00:00:00Z"}
    hostile = Artifact.model_validate({**facts, "path": "x/../../evil"})
    page = ArtifactPage(artifacts=[hostile], total=1, bytes=1)
    monkeypatch.setattr("keepbest.client.file_routes.FileRoutes.list", lambda *_, **__: page)
    done = keepbest("artifacts", "get", run, "x", "--to", tmp_path / "to")
    assert (done.status, "The tracker names a file" in done.err) == (2, True)
    assert not (tmp_path / "evil").exists()


def test_fsck_misses_an_artifact_whose_manifest_is_gone(keepbest: Keepbest, run: str, folder: Path, live: Live) -> None:
    keepbest("artifacts", "put", run, folder)
    store = live.folder / "store"
    assert "2 artifacts" in keepbest("fsck", "--store", store).out
    next(iter((store / "artifacts" / run).iterdir())).unlink()
    done = keepbest("fsck", "--store", store)
    assert (done.status, "The manifest of artifact" in done.out) == (1, True), done.out
