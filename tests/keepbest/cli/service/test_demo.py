"""`keepbest demo`, interrupted: `make demo` is what runs it whole."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from keepbest.client.client import Client
from keepbest.status import RunState
from tests.keepbest.cli.service.test_up import children_of, is_gone
from tests.support.network import free_port
from tests.support.processes import ROOT, Process, Processes


@pytest.fixture
def demo(processes: Processes, tmp_path: Path) -> Process:
    """A demo in `tmp_path` whose run is going on."""
    command = ("demo", "--once", "--dir", str(tmp_path / "demo"), "--port", str(free_port()))
    demo = processes.python("keepbest.cli.main", *command, folder=tmp_path, PYTHONPATH=str(ROOT))
    demo.wait_for_output("waiting for a worker")
    return demo


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_it_ends_cleanly(demo: Process, tmp_path: Path, number: signal.Signals) -> None:
    children = children_of(demo)
    assert len(children) == 3
    demo.send(number)
    assert demo.wait() == 130
    assert "Traceback" not in demo.output
    assert all(is_gone(pid) for pid in children)


def test_the_link_and_the_run_are_said_at_once(demo: Process, tmp_path: Path) -> None:
    said = demo.output
    assert "Sign in (this link works once): http://127.0.0.1:" in said
    assert "when to stop: patience(steps=1000)" in said
    url = said.split("keepbest is running at ")[1].split()[0]
    with Client(url, (tmp_path / "demo" / "admin-token").read_text().strip()) as client:
        (run,) = client.runs(project="demo").runs
    assert run.state is not RunState.FAILED
    assert f"{url}/r/{run.id}" in said
