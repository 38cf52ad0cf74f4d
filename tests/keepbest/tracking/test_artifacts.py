"""Files that scripts keep with their runs: online, offline, killed, and read back; training never fails by them."""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import keepbest
from keepbest.client.client import Client
from keepbest.errors import CheckpointDamaged, InvalidInput, NotFound
from keepbest.journal.outbox import Outbox
from keepbest.settings import Settings, load
from keepbest.tracking.offline import find_offline, send_offline
from keepbest.tracking.run import Run
from tests.support.live import Live
from tests.support.processes import Processes
from tests.support.tiny_tracker import settings_of

RUN = "abcdabcdabcd"


@pytest.fixture
def client(live: Live) -> Client:
    return live.client()


@pytest.fixture
def settings(live: Live, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    for name, value in (("URL", live.url), ("TOKEN", live.admin), ("DIR", str(tmp_path))):
        monkeypatch.setenv(f"KEEPBEST_{name}", value)
    return load()


def begin(settings: Settings, **given: Any) -> Run:
    return keepbest.init(id=RUN, monitor="val_loss", settings=settings, **given)


def listed(client: Client, **how: Any) -> list[tuple[str, int, str]]:
    return [(item.path, item.version, item.kind) for item in client.files.list(RUN, **how).artifacts]


def content(client: Client, path: str, tmp_path: Path) -> bytes:
    with (tmp_path / "content").open("w+b") as file:
        client.files.download(RUN, path, file)
        file.seek(0)
        return file.read()


def test_every_kind_of_file_is_kept(settings: Settings, client: Client, tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    (folder / "deep").mkdir(parents=True)
    (folder / "model.bin").write_bytes(b"model")
    (folder / "deep" / "räume.csv").write_text("a,b\n1,2\n")
    with begin(settings) as run:
        run.log_artifact(folder / "model.bin")
        run.log_artifact(folder, "copy")
        run.log_artifact(b"bytes", "raw.bin")
        run.log_text("hello", "notes.txt")
        run.log_table([{"epoch": 1, "loss": float("nan")}], "table")
        run.log_table({"a": np.arange(3)}, "more.csv")
        run.log_figure(SimpleNamespace(savefig=lambda sink, format: sink.write(b"picture")), "plots/roc")
        (folder / "model.bin").write_bytes(b"changed")
    assert listed(client) == [
        ("copy/deep/räume.csv", 1, "table"), ("copy/model.bin", 1, "file"), ("model.bin", 1, "file"),
        ("more.csv", 1, "table"), ("notes.txt", 1, "text"), ("plots/roc.png", 1, "figure"), ("raw.bin", 1, "file"),
        ("table.json", 1, "table"),
    ]  # fmt: skip
    assert content(client, "model.bin", tmp_path) == b"model"
    assert content(client, "table.json", tmp_path) == b'{"columns": ["epoch", "loss"], "data": [[1, "NaN"]]}'
    assert not list((tmp_path / "journals").iterdir())


def test_a_path_again_is_a_new_version(settings: Settings, client: Client) -> None:
    with begin(settings) as run:
        for text in ("one", "two", "two", "three"):
            run.log_text(text, "notes.txt")
    assert listed(client, versions=True) == [("notes.txt", version, "text") for version in (3, 2, 1)]


def test_an_artifact_is_read_back_and_its_use_recorded(settings: Settings, client: Client, tmp_path: Path) -> None:
    with begin(settings) as run:
        run.log_text("one", "notes.txt")
        assert run.use_artifact("notes.txt").read_text() == "one"  # perhaps before the tracker has it
    path = keepbest.use_artifact(RUN[:6], "notes.txt")
    assert path.read_text() == "one"
    assert keepbest.use_artifact(RUN, "notes.txt", to=tmp_path / "out" / "x.txt").read_text() == "one"
    path.chmod(0o600)
    path.write_text("changed")
    assert keepbest.use_artifact(RUN, "notes.txt").read_text() == "one"
    with pytest.raises(NotFound, match="no artifact 'note'"):
        keepbest.use_artifact(RUN, "note")
    with pytest.raises(NotFound, match="in version 7"):
        keepbest.use_artifact(RUN, "notes.txt", version=7)
    with keepbest.init(settings=settings) as other:
        assert other.use_artifact("notes.txt", run=RUN).read_text() == "one"
    (use,) = (client.run(other.id).environment or {})["used_artifacts"]
    assert (use["run"], use["path"], use["version"]) == (RUN, "notes.txt", 1)


def test_damaged_bytes_are_not_handed_out(settings: Settings, live: Live, client: Client) -> None:
    with begin(settings) as run:
        run.log_text("one", "notes.txt")
    (file,) = (live.folder / "store" / "objects").glob("*/*.file")
    file.write_text("two")
    with pytest.raises(CheckpointDamaged, match="are not those of its digest"):
        keepbest.use_artifact(RUN, "notes.txt")


def test_what_cannot_be_read_warns_and_trains_on(
    settings: Settings, client: Client, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with begin(settings) as run:
        run.log_artifact(tmp_path / "missing.png", "plot.png")
        run.log_artifact(tmp_path / "missing.png", "plot.png")
        (tmp_path / "empty").mkdir()
        run.log_artifact(tmp_path / "empty")
        run.log_text("x", "a")
    assert caplog.text.count("'plot.png' is not kept with the run") == 1
    assert "empty holds no file" in caplog.text
    assert listed(client) == [("a", 1, "text")]
    run.log_text("late", "b")
    assert "files that come later are not kept" in caplog.text


def test_a_file_that_the_tracker_refuses_is_set_aside(
    settings: Settings, client: Client, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with begin(settings) as run:
        run.log_text("1", "a")
        run.log_text("2", "a/b")
        run.log_text("3", "c")
    assert listed(client) == [("a", 1, "text"), ("c", 1, "text")]
    assert caplog.text.count("the tracker refused the file 'a/b'") == 1
    assert any(path.read_bytes() == b"2" for path in (tmp_path / "set-aside").rglob("*") if path.is_file())


@pytest.mark.parametrize("name", ["../x", "", "/etc/passwd", "a\nb", "a//b"])
def test_a_wrong_name_is_refused_at_once(tmp_path: Path, name: str) -> None:
    run = keepbest.init(settings=settings_of(tmp_path, "", mode="disabled"))
    with pytest.raises(InvalidInput, match="no path of a run"):
        run.log_text("x", name)
    with pytest.raises(InvalidInput, match="no figure"):
        run.log_figure(object(), "a.png")
    run.log_text("x", "fine")
    with pytest.raises(InvalidInput, match="no tracker"):
        run.use_artifact("fine")
    run.finish()


OFFLINE = """
import sys, time, keepbest
run = keepbest.init(id="abcdabcdabcd", monitor="score", mode="max", dir=sys.argv[1])
run.log({"loss": 1.0}, step=1)
run.log_text("first", "notes.txt")
run.log_text("second", "notes.txt")
print("logged.", flush=True)
if sys.argv[2] == "wait":
    time.sleep(60)
run.log_text("third", "notes.txt")
run.finish()
"""


def test_offline_files_arrive_once_after_kill_9(
    live: Live, client: Client, tmp_path: Path, processes: Processes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The script is killed while it trains, and whoever sends its files between two of them."""
    script = processes.start(sys.executable, "-c", OFFLINE, tmp_path, "wait", KEEPBEST_MODE="offline")
    script.wait_for_output("logged.")
    script.send(signal.SIGKILL)
    script.wait()
    (folder,) = find_offline(tmp_path / "offline")
    with monkeypatch.context() as patched:
        patched.setattr(Outbox, "remove", interrupt)
        with pytest.raises(KeyboardInterrupt):
            send_offline(folder, client)
    assert listed(client) == [("notes.txt", 1, "text")]
    send_offline(folder, client)
    assert listed(client, versions=True) == [("notes.txt", 2, "text"), ("notes.txt", 1, "text")]
    assert content(client, "notes.txt", tmp_path) == b"second"
    assert not folder.exists()


def interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def test_offline_files_of_a_finished_run_arrive(
    live: Live, client: Client, tmp_path: Path, processes: Processes
) -> None:
    script = processes.start(sys.executable, "-c", OFFLINE, tmp_path, "go", KEEPBEST_MODE="offline")
    assert script.wait() == 0, script.output
    (folder,) = find_offline(tmp_path / "offline")
    send_offline(folder, client)
    assert listed(client, versions=True)[0] == ("notes.txt", 3, "text")
    assert not folder.exists()
