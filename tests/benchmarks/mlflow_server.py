"""MLflow's own server on SQLite, as a peer of `bench_mlflow`: started, measured in memory, filled behind its back.

By its own interface 1,000,000 points take it most of an hour, so its tables are filled before it starts.
"""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.environment import clean_environment

#: The variable without which the server starts six more processes, for jobs of language models.
ONE_PROCESS = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}


@contextmanager
def run_server(python: str, folder: Path, port: int, **variables: str) -> Iterator[subprocess.Popen[bytes]]:
    """Start the server with one worker; it answers somewhat later."""
    command = [python, "-m", "mlflow", "server", "--backend-store-uri", f"sqlite:///{folder}/mlflow.db"]
    with (folder / "mlflow.log").open("wb") as log:
        process = subprocess.Popen(
            [*command, "--port", str(port), "--workers", "1"],
            cwd=folder, env=clean_environment(**variables), stdout=log, stderr=log,
        )  # fmt: skip
    try:
        yield process
    finally:
        # Asked to end it waits for what runs its jobs, which does not end.
        for pid in (*reversed(list(list_children(process.pid))), process.pid):
            os.kill(pid, signal.SIGKILL)
        process.wait()


def measure_memory(pid: int) -> float:
    """Return the MB of a process and all below it, shared pages counted once."""
    rolls = [Path(f"/proc/{each}/smaps_rollup").read_text() for each in (pid, *list_children(pid))]
    return sum(int(line.split()[1]) for roll in rolls for line in roll.splitlines() if line[:4] == "Pss:") / 1024


def list_children(pid: int) -> Iterator[int]:
    """Yield the processes below a process."""
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            yield int(child)
            yield from list_children(int(child))


def fill(database: Path, runs: int, points: int) -> None:
    """Write so many runs with a last value of `acc`, and one run `long` with so many points, into experiment 0."""
    ids = [uuid.uuid4().hex for _ in range(runs)]
    with sqlite3.connect(database) as conn:
        conn.executemany(_RUN, [(id, f"run-{number}", f"mlflow-artifacts:/0/{id}") for number, id in enumerate(ids)])
        conn.executemany(_TAG, [(f"run-{number}", id) for number, id in enumerate(ids)])
        last = [(acc(number, runs), id) for number, id in enumerate(ids)]
        conn.executemany("INSERT INTO metrics VALUES ('acc', ?, 1, ?, 0, 0)", last)
        conn.executemany("INSERT INTO latest_metrics VALUES ('acc', ?, 1, 0, 0, ?)", last)
        conn.execute(_RUN, ("long", "long", "mlflow-artifacts:/0/long"))
        many = ((step / 7, step, step) for step in range(points))
        conn.executemany("INSERT INTO metrics VALUES ('long', ?, ?, 'long', ?, 0)", many)
    conn.close()


def acc(number: int, runs: int) -> float:
    """Return the value of one of so many runs: each another, in no order."""
    return (number * 7919 % runs) / runs


def await_file(path: Path, mark: str) -> None:
    """Wait until a text stands in a file."""
    while not path.exists() or mark not in path.read_text():
        time.sleep(0.2)


_RUN = """INSERT INTO runs (run_uuid, name, source_type, source_name, entry_point_name, user_id, status, start_time,
    source_version, lifecycle_stage, artifact_uri, experiment_id)
    VALUES (?, ?, 'UNKNOWN', '', '', 'ada', 'RUNNING', 1, '', 'active', ?, 0)"""
_TAG = "INSERT INTO tags (key, value, run_uuid) VALUES ('mlflow.runName', ?, ?)"
