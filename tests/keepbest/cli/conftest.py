"""The command, run as the entry point runs it, in a folder of the test's own."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from keepbest.cli.main import main
from tests.support.live import FakeWorker, Live


@dataclass(frozen=True)
class Result:
    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Run = Callable[..., Result]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """KEEPBEST_DIR of this test."""
    folder = tmp_path / "home"
    monkeypatch.setenv("KEEPBEST_DIR", str(folder))
    return folder


@pytest.fixture
def keepbest(home: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a command line: `keepbest("ls", "--json").json`."""

    def run(*arguments: str | Path) -> Result:
        capsys.readouterr()
        status = main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return Result(status, captured.out, captured.err)

    return run


@pytest.fixture
def signed_in(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command talks to the living tracker, as its admin."""
    monkeypatch.setenv("KEEPBEST_URL", live.url)
    monkeypatch.setenv("KEEPBEST_TOKEN", live.admin)


@pytest.fixture
def worker(live: Live) -> Iterator[FakeWorker]:
    worker = live.add_worker()
    yield worker
    worker.client.close()
