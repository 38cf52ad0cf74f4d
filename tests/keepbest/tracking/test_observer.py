"""How a run came about, and the machine's curves: recorded beside training, at the real tracker and offline."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from keepbest.client.client import Client
from keepbest.settings import Recorded, Settings
from keepbest.tracking import observer
from keepbest.tracking.init import init
from keepbest.tracking.run import Run
from tests.support.live import Live
from tests.support.processes import wait_until
from tests.support.tiny_tracker import settings_of


@pytest.fixture
def client(live: Live) -> Client:
    return live.client()


@pytest.fixture
def code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with a change that is not committed, in which the process runs."""
    folder = tmp_path / "code"
    folder.mkdir()
    (folder / "train.py").write_text("rate = 0.1\n")
    who = ["-c", "user.name=Ada", "-c", "user.email=ada@example.org"]
    for words in (["init", "-b", "main"], ["add", "."], [*who, "commit", "-m", "begin"]):
        subprocess.run(["git", *words], cwd=folder, check=True, capture_output=True)
    (folder / "train.py").write_text("rate = 0.2\n")
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "orig_argv", ["python", "train.py", "--password", "geheim", "--lr", "0.2"])
    return folder


def settings(live: Live, folder: Path, recorded: Recorded, *, has_curves: bool = False) -> Settings:
    given = settings_of(folder, live.url, "online", live.admin)
    return replace(given, provenance=recorded, has_system_curves=has_curves)


def begin(live: Live, folder: Path, recorded: Recorded = "off", *, has_curves: bool = False) -> Run:
    return init(monitor="val_loss", settings=settings(live, folder, recorded, has_curves=has_curves))


def test_a_script_records_how_it_came_about(live: Live, code: Path, tmp_path: Path, client: Client) -> None:
    with begin(live, tmp_path / "home", "all") as run:
        run.log({"loss": 1.0}, step=1)
    about = client.run(run.id).environment
    assert about is not None
    assert about["command"] == ["python", "train.py", "--password", "***", "--lr", "0.2"]
    assert (about["branch"], about["is_dirty"], about["repository"]) == ("main", True, str(code))
    assert len(about["commit"]) == 40
    assert about["cores"] >= 1
    provenance = client.provenance(run.id)
    assert "+rate = 0.2" in provenance.diff
    assert provenance.packages["numpy"]


@pytest.mark.parametrize(("recorded", "commits"), [("no-diff", True), ("off", False)])
def test_the_setting_says_how_much_is_recorded(
    live: Live, code: Path, tmp_path: Path, client: Client, recorded: Recorded, commits: bool
) -> None:
    with begin(live, tmp_path / "home", recorded) as run:
        run.log({"loss": 1.0}, step=1)
    about = client.run(run.id).environment
    assert about is not None
    assert ("commit" in about, "command" in about) == (commits, commits)
    assert about["host"]
    assert client.provenance(run.id).diff == ""
    assert bool(client.provenance(run.id).packages) == commits


def test_the_machine_has_curves_on_the_run_s_steps(
    live: Live, tmp_path: Path, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("keepbest.system.sampler.FIRST_SECONDS", 0.01)
    run = begin(live, tmp_path, has_curves=True)
    life = run.life.count
    run.recorder.step = 7
    wait_until(lambda: any(metric.key == "system/cpu_percent" for metric in client.metrics(run.id).metrics))
    assert (run.life.count, run.step) == (life, 7), "a sample is no sign of life of the training"
    run.finish()
    curve = client.curve(run.id, "system/process_memory_mb", max_points=100)
    assert set(curve.pieces[0].steps) <= {0, 7}
    assert min(curve.pieces[0].values) > 1


def test_a_sample_opens_no_segment(live: Live, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A script that continues a run says itself where it goes on: its first step may be an earlier one."""
    with begin(live, tmp_path) as run:
        run.log({"loss": 1.0}, step=50)
    again = init(id=run.id, monitor="val_loss", settings=settings(live, tmp_path, "off"))
    again.recorder.log_beside({"system/cpu_percent": 1.0})
    again.go_on_at(20)
    again.log({"loss": 1.0}, step=21)
    assert again.finish()
    assert live.client().segments(run.id).segments[-1].start_step == 20


def test_what_fails_here_never_reaches_the_training(
    live: Live, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail() -> None:
        raise RuntimeError("no machine")

    monkeypatch.setattr(observer, "describe_machine", fail)
    with begin(live, tmp_path, "all") as run:
        run.log({"loss": 1.0}, step=1)
    assert "how the run came about is not recorded" in caplog.text
    assert live.client().run(run.id).state.value == "finished"
