"""A real tracker that a test can take away and bring back, and real worker processes beside it."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from werkzeug.serving import BaseWSGIServer

from keepbest.client.client import Client
from keepbest.contract.runs import CodeSource, Run, RunRequest
from keepbest.status import Role, RunState
from tests.support.network import free_port
from tests.support.processes import PATIENCE, Process, Processes, wait_until
from tests.support.serving import end, make_token, serve
from tracker import db
from tracker.app import create_app
from tracker.scheduler import jobs
from tracker.settings import TrackerSettings
from tracker.store import leases

LEASE_SECONDS = 3.0
#: Leave the machine to the trainers: a test that polls every 20 ms takes a core.
POLL_SECONDS = 0.2

logging.getLogger("werkzeug").setLevel(logging.WARNING)  # a line a request


class Service:
    """The tracker, in a thread, on a port that it keeps."""

    def __init__(self, url: str, folder: Path, processes: Processes) -> None:
        self.folder = folder
        self.engine = db.make_engine(url)
        self.port = free_port()
        self.settings = TrackerSettings(dir=folder, database_url=url, port=self.port, lease_seconds=LEASE_SECONDS)
        with db.write(self.engine) as conn:
            tokens = {role: make_token(conn, name, role) for name, role in (("ada", Role.ADMIN), ("mill", Role.WORKER))}
        self.token = tokens[Role.ADMIN]
        self.worker_token = tokens[Role.WORKER]
        self.client = Client(f"http://127.0.0.1:{self.port}", self.token)
        self._processes = processes
        self._server: BaseWSGIServer | None = None

    def start(self) -> None:
        self._server = serve(create_app(self.settings, self.engine), self.port)

    @contextmanager
    def elsewhere(self) -> Iterator[str]:
        """Answer at another address, which no worker of the test knows; yield it."""
        server = serve(create_app(self.settings, self.engine))
        yield f"http://127.0.0.1:{server.server_port}"
        end(server)

    def stop(self) -> None:
        if self._server is not None:
            end(self._server)
            self._server = None

    def expire(self) -> list[str]:
        """Do what the scheduler does every two seconds: apply the rules of projects and expire leases."""
        jobs.apply_rules(self.settings, self.engine, datetime.now(UTC))
        with db.write(self.engine) as conn:
            return leases.expire_leases(conn, datetime.now(UTC))

    def schedule(self) -> None:
        """Do what the scheduler does for sweeps every second."""
        jobs.top_up_sweeps(self.settings, self.engine, datetime.now(UTC))

    def start_worker(self, **variables: str) -> Process:
        given = {
            "KEEPBEST_URL": self.client.url,
            "KEEPBEST_TOKEN": self.worker_token,
            "KEEPBEST_DIR": str(self.folder),
            "KEEPBEST_WORKER_NAME": "mill",
        }
        worker = self._processes.start(sys.executable, "-m", "worker.agent", folder=None, **(given | variables))
        worker.wait_for_output("is ready")
        return worker

    def submit(self, **asked: Any) -> str:
        return self.client.submit(RunRequest.model_validate(asked)).id

    def submit_code(self, archive: bytes, entry: str = "my_model.py:build", **asked: Any) -> str:
        bundle = self.client.add_bundle(archive)
        source = CodeSource(bundle=bundle.digest, entry=entry)
        usual = {"monitor": "val_loss", "mode": "min", "max_steps": 20, "validate_every": 10}
        return self.submit(source=source.model_dump(), **(usual | asked))

    def wait_for(self, run: str, *states: RunState, seconds: float = PATIENCE) -> Run:
        """Return the run once it is in one of the states (by default: any final one)."""

        def poll() -> Run | None:
            time.sleep(POLL_SECONDS)
            self.expire()
            found = self.client.run(run)
            return found if (found.state in states if states else found.state.is_final) else None

        found = wait_until(poll, seconds=seconds, what=f"run {run} to be {states or 'over'}")
        assert found is not None
        return found

    def wait_for_best(self, run: str, step: int) -> Run:
        """Return the run once its best is at the step or later."""

        def poll() -> Run | None:
            time.sleep(POLL_SECONDS)
            found = self.client.run(run)
            return found if (found.best_step or 0) >= step else None

        found = wait_until(poll, what=f"a best at step {step} or later")
        assert found is not None
        return found

    def wait_for_segment(self, run: str, number: int) -> None:
        """Wait until the run trains in this segment or a later one."""

        def poll() -> bool:
            time.sleep(POLL_SECONDS)
            return (self.client.run(run).segment or 0) >= number

        wait_until(poll, what=f"segment {number}")

    def logs(self, run: str) -> str:
        return "".join(piece.text for piece in self.client.logs(run, limit=1000).pieces)

    def close(self) -> None:
        self.stop()
        self.engine.dispose()


def trainer_of(worker: Process) -> int | None:
    """Return the process id of the worker's trainer: of the one that is in a run's folder."""
    return next((pid for pid, folder in _processes_of(worker) if folder != Path("/")), None)


def standby_of(worker: Process) -> int | None:
    """Return the process id of the trainer that waits for its run, or imports meanwhile."""
    return next((pid for pid, folder in _processes_of(worker) if folder == Path("/")), None)


def _processes_of(worker: Process) -> Iterator[tuple[int, Path]]:
    """Yield the trainers by process id and working folder; one that ends meanwhile is none."""
    for children in Path(f"/proc/{worker.pid}/task").glob("*/children"):
        for pid in children.read_text().split():
            with suppress(OSError):
                if "worker.trainer" in Path(f"/proc/{pid}/cmdline").read_text():
                    yield int(pid), Path(f"/proc/{pid}/cwd").readlink()


@pytest.fixture
def service(sqlite_url: str, tmp_path: Path, processes: Processes) -> Iterator[Service]:
    found = Service(sqlite_url, tmp_path / "keepbest", processes)
    found.start()
    yield found
    processes.stop_all()
    found.close()
