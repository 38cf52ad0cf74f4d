"""`keepbest export` and `keepbest import FILE`, from one tracker to another."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from keepbest.cli.common.errors import Exit
from keepbest.client import archives, transport
from keepbest.contract.runs import RecipeSource, RunRequest
from keepbest.status import Role
from tests.keepbest.cli.conftest import Run as Keepbest
from tests.support.live import FakeWorker, Live
from tests.support.serving import end, make_token, serve
from tracker import db
from tracker.app import create_app
from tracker.settings import TrackerSettings

pytestmark = pytest.mark.usefixtures("signed_in")


@pytest.fixture
def other(sqlite_template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Another tracker, whose address and token the command gets when the test says so."""
    (tmp_path / "other.db").write_bytes(sqlite_template.read_bytes())
    url = f"sqlite:///{tmp_path / 'other.db'}"
    engine = db.make_engine(url)
    app = create_app(TrackerSettings(dir=tmp_path / "other", database_url=url), engine)
    with db.write(engine) as conn:
        token = make_token(conn, "eve", Role.MEMBER)
    server = serve(app)
    yield f"http://127.0.0.1:{server.server_port} {token}"
    app.extensions["keepbest"].hub.close()
    end(server)
    engine.dispose()


def trained(live: Live, worker: FakeWorker) -> str:
    with live.client() as client:
        run = client.submit(RunRequest(source=RecipeSource(name="hvass-cnn"), name="first", project="digits")).id
        worker.claim().report_validation(100, 0.9, improved=True, best_step=100, best_value=0.9)
        worker.say(columns=[{"segment": 0, "key": "loss", "steps": [1, 2], "values": [0.5, 0.1], "times": [1.0, 2.0]}])
        worker.finish()
    return run


def go_to(other: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in zip(("KEEPBEST_URL", "KEEPBEST_TOKEN"), other.split(), strict=True):
        monkeypatch.setenv(name, value)


def test_a_run_goes_to_another_tracker(
    keepbest: Keepbest, live: Live, worker: FakeWorker, other: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, file = trained(live, worker), tmp_path / "run.keepbest"
    assert keepbest("export", run[:6], "--to", file).out.startswith(f"1 run written to {file}")
    points = keepbest("curve", run, "loss", "--csv").out
    content = keepbest("import", file, "--dry-run")
    assert run in content.out
    assert "Nothing was brought." in content.out
    go_to(other, monkeypatch)
    monkeypatch.setattr(archives, "PIECE_BYTES", 5000)
    assert keepbest("import", file).out.splitlines()[-1] == "1 run imported."
    assert keepbest("curve", run, "loss", "--csv").out == points
    assert keepbest("show", run, "--json").json["imported_from"]["author"] == "ada"
    assert "came from        ada, #1 there; eve brought it" in keepbest("show", run).out
    again = keepbest("import", file, "--json").json
    assert [item["outcome"] for item in again["runs"]] == ["known"]


def test_a_project_comes_under_another_name(
    keepbest: Keepbest, live: Live, worker: FakeWorker, other: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained(live, worker)
    assert keepbest("export", "digits", "--to", tmp_path / "a.keepbest").status == Exit.OK
    go_to(other, monkeypatch)
    assert keepbest("import", tmp_path / "a.keepbest", "--project", "letters").status == Exit.OK
    assert [run["project"] for run in keepbest("ls", "-a", "--json").json["runs"]] == ["letters"]


def test_a_file_that_is_no_archive_is_refused(keepbest: Keepbest, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"no archive" * 100)
    told = keepbest("import", tmp_path / "a")
    assert told.status == Exit.USAGE
    assert "This archive cannot be read." in told.err
    assert keepbest("import", tmp_path / "b").status == Exit.NOT_FOUND


def test_an_archive_that_is_cut_off_leaves_no_file(
    keepbest: Keepbest, live: Live, worker: FakeWorker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = trained(live, worker)
    whole = transport.Transport.open

    def cut(self: transport.Transport, path: str, **query: object) -> object:
        answer = whole(self, path, **query)  # type: ignore[arg-type]
        content = b"".join(answer.pieces)
        return type(answer)(answer.headers, iter([content[: len(content) // 2]]))

    monkeypatch.setattr(transport.Transport, "open", cut)
    told = keepbest("export", run, "--to", tmp_path / "a.keepbest")
    assert told.status == Exit.UNREACHABLE
    assert "The archive was cut off" in told.err
    assert not [path for path in tmp_path.iterdir() if "keepbest" in path.name and path.is_file()]
