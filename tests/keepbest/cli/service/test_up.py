"""`keepbest up`: real processes that start, answer, are started again, and end without leaving anything behind."""

from __future__ import annotations

import os
import re
import signal
import socket
import stat
import sys
from pathlib import Path

import pytest

from keepbest.cli.main import main
from keepbest.cli.service import service
from keepbest.cli.service.starting import is_starting
from keepbest.client.client import Client
from keepbest.errors import Unreachable
from keepbest.status import Role
from tests.support.network import free_port
from tests.support.processes import ROOT, Process, Processes, wait_until


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "service"


def start(processes: Processes, folder: Path, port: int, *options: str, where: Path | None = None) -> Process:
    """The folder as an option, the port from the environment: `up` once took the default port in spite of it."""
    command = ("up", "--dir", str(folder), *options)
    variables = {"KEEPBEST_PORT": str(port), "PYTHONPATH": str(ROOT)}
    return processes.start(sys.executable, "-m", "keepbest.cli.main", *command, folder=where or ROOT, **variables)


def children_of(process: Process) -> list[int]:
    """Every process that descends from this one."""
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            pid, parent = int(status.parent.name), int(status.read_text().rpartition(")")[2].split()[1])
        except (FileNotFoundError, ProcessLookupError):
            continue
        if parent == process.pid:
            found.append(pid)
    return found


def is_gone(pid: int) -> bool:
    return not Path(f"/proc/{pid}").exists()


def command_line(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()


def test_it_starts_signs_in_and_ends(processes: Processes, folder: Path, port: int, tmp_path: Path) -> None:
    up = start(processes, folder, port, where=folder_with_modules_of_our_names(tmp_path / "mine"))
    output = up.wait_for_output("Ctrl-C ends it.")
    link = re.search(r"sign in \(once\) +(http\S+)#code=(\S+)", output)
    assert link is not None
    assert link[1] == f"http://127.0.0.1:{port}/signin"
    token = (folder / "admin-token").read_text().strip()
    assert token not in output
    with Client(f"http://127.0.0.1:{port}", token) as client:
        assert client.me().role is Role.ADMIN
        up.wait_until(lambda: client.recipes().recipes, what="the worker's first word")
    up.wait_until(lambda: not is_starting(folder), what="that up has seen it")
    assert role_in(folder / "worker-token", port) is Role.WORKER
    children = children_of(up)
    assert len(children) == 3
    second = start(processes, folder, free_port())
    assert second.wait() == 1
    assert f"keepbest runs in {folder} already" in second.output
    up.send(signal.SIGINT)
    assert up.wait() == 0
    assert all(is_gone(pid) for pid in children)
    assert not (folder / "address").exists()


def folder_with_modules_of_our_names(folder: Path) -> Path:
    """A user's own worker.py is not taken for ours, wherever keepbest is started."""
    folder.mkdir()
    for name in ("worker", "tracker", "flask"):
        (folder / f"{name}.py").write_text("raise SystemExit('this is the user\\'s own')\n")
    return folder


def role_in(path: Path, port: int) -> Role:
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with Client(f"http://127.0.0.1:{port}", path.read_text().strip()) as client:
        return client.me().role


def test_what_dies_is_started_again(processes: Processes, folder: Path, port: int) -> None:
    up = start(processes, folder, port, "--no-worker")
    up.wait_for_output("Ctrl-C ends it.")
    scheduler = next(pid for pid in children_of(up) if "tracker.scheduler" in command_line(pid))
    os.kill(scheduler, signal.SIGKILL)
    up.wait_for_output("The scheduler ended with SIGKILL; starting it again in 1 s")
    up.wait_until(lambda: any("tracker.scheduler" in command_line(pid) for pid in children_of(up)))
    up.send(signal.SIGTERM)
    assert up.wait() == 0


@pytest.mark.skipif(not Path("/proc").exists(), reason="only Linux tells children that their parent was killed")
def test_killed_outright_it_leaves_nothing_and_starts_again(processes: Processes, folder: Path, port: int) -> None:
    for _ in range(2):
        up = start(processes, folder, port, "--no-worker")
        up.wait_for_output("Ctrl-C ends it.")
        children = children_of(up)
        assert len(children) == 2  # tracker and scheduler
        up.send(signal.SIGKILL)
        up.wait()
        wait_until(lambda pids=children: all(is_gone(pid) for pid in pids), what="the end of the children")  # type: ignore[misc]


def test_a_port_that_is_taken(processes: Processes, folder: Path, port: int) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", port))
        other.listen()
        up = start(processes, folder, port)
        assert up.wait() == 2
    assert f"error: Nothing can listen on 127.0.0.1:{port}: address already in use." in up.output
    assert f"--port {port + 1}" in up.output
    assert "Traceback" not in up.output


def test_a_database_that_cannot_be_used_shows_the_trackers_words(processes: Processes, folder: Path, port: int) -> None:
    folder.mkdir()
    (folder / "tracker.db").write_bytes(b"this is not a database" * 100)
    up = start(processes, folder, port)
    assert up.wait() == 1
    assert "error: The tracker did not start; its last words:" in up.output
    assert "tracker.log" in up.output


def test_the_parts_alone(processes: Processes, folder: Path, port: int) -> None:
    server = processes.python("keepbest.cli.main", "server", "--dir", str(folder), "--port", str(port))
    server.wait_until(lambda: answers(port), what="the tracker's answer")
    scheduler = processes.python("keepbest.cli.main", "scheduler", "--dir", str(folder))
    scheduler.wait_for_output("the scheduler now")
    for part in (scheduler, server):
        part.send(signal.SIGTERM)
        assert part.wait() == 0


def answers(port: int) -> bool:
    try:
        with Client(f"http://127.0.0.1:{port}", "", retries=0) as client:
            return client.health().status == "ok"
    except Unreachable:
        return False


def test_a_worker_alone_says_what_it_lacks(processes: Processes, folder: Path, port: int) -> None:
    worker = processes.python(
        "keepbest.cli.main", "worker", "--dir", str(folder), "--label", "gpu", KEEPBEST_URL=f"http://127.0.0.1:{port}"
    )
    assert worker.wait() != 0
    assert "key=value" in worker.output
    assert "Traceback" not in worker.output


@pytest.mark.parametrize(("given", "told"), [((), None), (("--standby",), "1"), (("--no-standby",), "0")])
def test_a_worker_keeps_a_trainer_ahead_unless_told_otherwise(
    given: tuple[str, ...], told: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    became: dict[str, str | None] = {}
    monkeypatch.setattr(service, "become", lambda module, **variables: became.update(variables))
    assert main(["worker", *given]) == 0
    assert became["KEEPBEST_WORKER_STANDBY"] == told
