"""The tracker as a process: its first start, what stops a start, what it loses when it is killed, how it ends."""

from __future__ import annotations

import http.client
import json
import os
import signal
import sqlite3
import stat
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.network import free_port
from tests.support.processes import PATIENCE, ROOT, Process, Processes, wait_until
from tracker import db
from tracker.api.events import STREAM_SECONDS
from tracker.server import main

COMMAND = (sys.executable, "-m", "tracker.server")


class Server:
    """A tracker's process, its folder and its address."""

    def __init__(self, processes: Processes, folder: Path, **variables: str) -> None:
        self.processes, self.folder, self.port = processes, folder, free_port()
        self.variables = {"KEEPBEST_DIR": str(folder), "KEEPBEST_PORT": str(self.port), **variables}

    def start(self) -> Process:
        process = self.processes.start(*COMMAND, folder=ROOT, **self.variables)
        process.wait_until(lambda: self.answers(), what="an answer")
        return process

    def answers(self) -> bool:
        try:
            return self.call("GET", "/health", token=None)[0] == 200
        except OSError:
            return False

    @property
    def token(self) -> str:
        return (self.folder / "admin-token").read_text().strip()

    def call(
        self, method: str, path: str, body: Any = None, *, token: str | None = "", **headers: str
    ) -> tuple[int, Any]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if token is not None:
            sent["Authorization"] = f"Bearer {token or self.token}"
        try:
            connection.request(method, f"/api/v1{path}", None if body is None else json.dumps(body), sent)
            answer = connection.getresponse()
            data = answer.read()
        finally:
            connection.close()
        return answer.status, json.loads(data) if data else None


@pytest.fixture
def server(processes: Processes, tmp_path: Path) -> Server:
    return Server(processes, tmp_path / "home")


def test_the_first_start_makes_an_admin_and_a_link_for_once(server: Server) -> None:
    process = server.start()
    mode = stat.S_IMODE(os.stat(server.folder / "admin-token").st_mode)
    assert (mode, stat.S_IMODE(os.stat(server.folder).st_mode)) == (0o600, 0o700)
    assert stat.S_IMODE(os.stat(server.folder / "tracker.db").st_mode) == 0o600
    assert server.call("GET", "/me")[1]["role"] == "admin"
    address, _, code = process.wait_for_output("/signin#code=").partition("/signin#code=")
    assert f"http://127.0.0.1:{server.port}" in address
    proof = {"code": code.split()[0]}
    assert [server.call("POST", "/signin", proof, token=None)[0] for _ in range(2)] == [200, 401]


def test_a_second_start_keeps_all_and_logs_no_secret(server: Server) -> None:
    first = server.start()
    token = server.token
    assert server.call("POST", "/projects", {"name": "mine"})[0] == 201
    first.send(signal.SIGTERM)
    assert first.wait() == 0
    second = server.start()
    assert server.token == token
    assert [project["name"] for project in server.call("GET", "/projects")[1]["projects"]] == ["mine"]
    assert "code=" not in second.output


def test_what_was_acknowledged_survives_being_killed(server: Server) -> None:
    process = server.start()
    policy = {"name": "patience", "params": {"checks": 3}}
    asked = {"source": {"kind": "external"}, "monitor": "acc", "mode": "max", "stopper": policy, "validate_every": 1}
    run = server.call("POST", "/runs", asked)[1]["id"]
    lease = server.call("POST", "/leases", {"run": run})[1]["lease"]["token"]
    batch = {"writer": "w" * 12, "number": 1, "columns": [
        {"segment": 0, "key": "loss", "steps": [1, 2], "values": [0.5, 0.25], "times": [1.0, 2.0]},
    ]}  # fmt: skip
    assert server.call("POST", f"/runs/{run}/batches", batch, Keepbest_Lease=lease)[1]["accepted"]
    process.kill_group()
    server.start()
    (piece,) = server.call("GET", f"/runs/{run}/curve?key=loss")[1]["pieces"]
    assert (piece["steps"], piece["values"]) == ([1, 2], [0.5, 0.25])
    again = server.call("POST", f"/runs/{run}/batches", batch, Keepbest_Lease=lease)[1]
    assert (again["accepted"], again["last_number"]) == (False, 1)


def test_sigterm_ends_open_streams_at_once(server: Server) -> None:
    process = server.start()
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE)
    connection.request("GET", "/api/v1/stream", headers={"Authorization": f"Bearer {server.token}"})
    stream = connection.getresponse()
    assert stream.readline() == b"retry: 1000\n"
    process.send(signal.SIGTERM)
    assert process.wait(seconds=STREAM_SECONDS / 10) == 0  # by itself it ends much later
    stream.read()
    connection.close()
    assert process.output.splitlines()[-2:] == [
        "The tracker got SIGTERM; requests in flight have 3 s.",
        "The tracker ended after a signal.",
    ]


def test_the_serving_process_is_made_anew_and_ends_with_the_main(server: Server) -> None:
    process = server.start()
    (answering,) = children_of(process.pid)
    os.kill(answering, signal.SIGKILL)
    process.wait_until(lambda: server.answers() and children_of(process.pid) != [answering], what="another one")
    assert "Unexpected exit from worker-1" in process.output
    os.kill(process.pid, signal.SIGKILL)
    wait_until(lambda: not server.answers(), what="the end of the worker")
    server.start()


def children_of(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def run_to_end(processes: Processes, **variables: str) -> tuple[int, str]:
    process = processes.start(*COMMAND, folder=ROOT, **variables)
    return process.wait(), process.output


def test_a_port_that_is_taken(server: Server) -> None:
    server.start()
    code, output = run_to_end(server.processes, **server.variables)
    assert (code, len(output.splitlines())) == (1, 2)
    assert f"127.0.0.1:{server.port}" in output
    assert f"KEEPBEST_PORT={server.port + 1}" in output


def test_a_setting_that_is_none(processes: Processes, tmp_path: Path) -> None:
    code, output = run_to_end(processes, KEEPBEST_DIR=str(tmp_path), KEEPBEST_PORT="http")
    assert (code, len(output.splitlines())) == (1, 2)
    assert "KEEPBEST_PORT" in output


def test_a_database_that_does_not_answer(processes: Processes, tmp_path: Path) -> None:
    address = f"postgresql+psycopg://nobody@127.0.0.1:{free_port()}/nothing"
    code, output = run_to_end(processes, KEEPBEST_DIR=str(tmp_path), KEEPBEST_DATABASE_URL=address, KEEPBEST_PORT="0")
    assert (code, len(output.splitlines())) == (1, 2)
    assert "does not answer" in output


@pytest.mark.parametrize("revision", ["9999", "0000"])
def test_a_schema_of_another_version(processes: Processes, postgres_url: str, tmp_path: Path, revision: str) -> None:
    engine = db.make_engine(postgres_url)
    with db.write(engine) as conn:
        conn.exec_driver_sql("UPDATE alembic_version SET version_num = %s", (revision,))
    engine.dispose()
    variables = {"KEEPBEST_DIR": str(tmp_path), "KEEPBEST_DATABASE_URL": postgres_url, "KEEPBEST_PORT": "0"}
    code, output = run_to_end(processes, **variables)
    assert (code, len(output.splitlines())) == (1, 2)
    assert revision in output


def test_a_newer_embedded_database_is_left_alone(processes: Processes, sqlite_url: str, tmp_path: Path) -> None:
    path = sqlite_url.removeprefix("sqlite:///")
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()
    code, output = run_to_end(
        processes, KEEPBEST_DIR=str(tmp_path), KEEPBEST_DATABASE_URL=sqlite_url, KEEPBEST_PORT="0"
    )
    assert code == 1
    assert "newer" in output


def test_on_postgres_it_serves_a_schema_that_was_made_before(
    processes: Processes, postgres_url: str, tmp_path: Path
) -> None:
    token = "t" * 30
    server = Server(processes, tmp_path / "home", KEEPBEST_DATABASE_URL=postgres_url, KEEPBEST_WORKER_TOKEN=token)
    server.start()
    assert server.call("GET", "/me")[1]["role"] == "admin"
    assert server.call("GET", "/me", token=token)[1]["role"] == "worker"


def test_an_unknown_verb(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["dance"])
    assert "invalid choice" in capsys.readouterr().err
