"""A whole service in processes of its own, each started again when it is dead, as a supervisor would."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

from keepbest.client import bundle
from keepbest.client.client import Client
from keepbest.contract.base import new_id
from keepbest.contract.runs import CodeSource, RunRequest
from keepbest.errors import Busy, KeepbestError, Unreachable
from tests.support.network import free_port
from tests.support.processes import Process, Processes, wait_until
from tests.support.service import trainer_of

T = TypeVar("T")

LEASE_SECONDS = 3
POLL_SECONDS = 0.1
WORKERS = ("mill", "wheel")
#: What runs, in the order of its start, and the command's verb for it.
SERVICES = {"tracker": "server", "scheduler": "scheduler", **dict.fromkeys(WORKERS, "worker")}


class House:
    """Tracker, scheduler and two workers on one database and one folder. What was killed comes back by `mend`."""

    def __init__(self, folder: Path, database_url: str | None = None) -> None:
        self.folder = folder
        self.service = folder / "service"
        self.processes = Processes(folder)
        self.variables = _variables(self.service, free_port(), database_url)
        self._living: dict[str, Process] = {}
        self._rests_until: dict[str, float] = {}
        self._start("tracker")
        wait_until(self._answers, what="the tracker's first answer")
        self.variables["KEEPBEST_TOKEN"] = (self.service / "admin-token").read_text().strip()
        self.client = Client(self.variables["KEEPBEST_URL"], self.variables["KEEPBEST_TOKEN"], retries=0)
        self.mend()

    def mend(self) -> None:
        """Start what is dead and has rested."""
        for name in SERVICES:
            is_dead = name not in self._living or not self._living[name].is_running()
            if is_dead and time.monotonic() >= self._rests_until.get(name, 0.0):
                self._start(name)

    def trainers(self) -> list[int]:
        """Return the process ids of the living trainers."""
        workers = [self._living[name] for name in WORKERS if self._living[name].is_running()]
        return [pid for pid in map(trainer_of, workers) if pid is not None]

    def kill(self, name: str, rest_seconds: float) -> bool:
        """Kill a service with signal 9 and let it rest; return whether it lived."""
        process = self._living[name]
        if not process.is_running():
            return False
        process.send(signal.SIGKILL)
        process.wait()
        self._rests_until[name] = time.monotonic() + rest_seconds
        return True

    def ask(self, question: Callable[[Client], T]) -> T:
        """Return `question(client)`, asked again while the tracker is away."""
        found = wait_until(lambda: self.try_to_ask(question), what="an answer of the tracker")
        assert found is not None
        return found[0]

    def try_to_ask(self, question: Callable[[Client], T]) -> tuple[T] | None:
        """Return the answer, or None where the tracker gives none just now."""
        self.mend()
        try:
            return (question(self.client),)
        except (Unreachable, Busy):
            time.sleep(POLL_SECONDS)
            return None

    def submit(self, code: Path, entry: str, **asked: object) -> str:
        """Submit a run of the user's code in a folder; return its id."""
        packed = bundle.pack(code).content
        digest = self.ask(lambda client: client.add_bundle(packed)).digest
        request = RunRequest.model_validate({"source": CodeSource(bundle=digest, entry=entry), **asked})
        key = new_id()
        return self.ask(lambda client: client.submit(request, key=key)).id

    def processes_left(self) -> Iterator[str]:
        """Yield what runs in this folder, or names it, beside the services themselves."""
        known = {process.pid for process in self._living.values()} | {os.getpid()}
        for place in Path("/proc").glob("[0-9]*"):
            words = _describe(place)
            if str(self.folder) in words and int(place.name) not in known:
                yield f"{place.name} {words[:200]}"

    def close(self) -> None:
        """Ask all to end, then kill what is left."""
        for process in reversed(self._living.values()):
            if process.is_running():
                process.send(signal.SIGTERM)
        for process in self._living.values():
            process.wait()
        self.processes.stop_all()

    def _answers(self) -> bool:
        try:
            return Client(self.variables["KEEPBEST_URL"], "", retries=0).health().status == "ok"
        except KeepbestError:
            time.sleep(POLL_SECONDS)
            return False

    def _start(self, name: str) -> None:
        command = (sys.executable, "-m", "keepbest.cli.main", SERVICES[name])
        variables = {**self.variables, "KEEPBEST_WORKER_NAME": name}
        self._living[name] = self.processes.start(*command, folder=None, **variables)


def _variables(service: Path, port: int, database_url: str | None) -> dict[str, str]:
    return {
        "KEEPBEST_DIR": str(service),
        "KEEPBEST_PORT": str(port),
        "KEEPBEST_URL": f"http://127.0.0.1:{port}",
        "KEEPBEST_LEASE_SECONDS": str(LEASE_SECONDS),
        "KEEPBEST_EXPIRE_EVERY_SECONDS": "0.5",
        "KEEPBEST_WORKER_STANDBY": "1",
        **({"KEEPBEST_DATABASE_URL": database_url} if database_url else {}),
    }


def _describe(place: Path) -> str:
    """Return the command and the folder of a living process; nothing of one that has ended."""
    try:
        words = (place / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        return f"{words}in {os.readlink(place / 'cwd')}" if words else ""
    except OSError:
        return ""
