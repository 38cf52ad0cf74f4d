"""The services of docker-compose.yml as plain processes on Postgres: the same commands, variables and health checks.

The test supplies what Docker would: host names, folders for the volumes, and the port.
"""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from keepbest.client.client import Client
from keepbest.errors import KeepbestError, NotAllowed
from tests.support.compose import SECRETS, services
from tests.support.environment import clean_environment
from tests.support.network import free_port
from tests.support.postgres import new_database
from tests.support.processes import ROOT, Process, Processes, wait_until

SERVICES = services(SECRETS)


class Team:
    """Takes the part of Compose: starts a service by its name and runs its health check."""

    def __init__(self, processes: Processes, folder: Path, database_url: str) -> None:
        self.processes = processes
        self.folder = folder
        self.database_url = database_url
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"

    def start(self, name: str, number: int = 1) -> Process:
        command = SERVICES[name]["command"]
        assert command[0] == "python"
        return self.processes.start(sys.executable, *command[1:], folder=ROOT, **self.environment(name, number))

    def environment(self, name: str, number: int = 1) -> dict[str, str]:
        own = {key: self.here(value) for key, value in SERVICES[name]["environment"].items()}
        if "KEEPBEST_DATABASE_URL" in own:
            own["KEEPBEST_DATABASE_URL"] = self.database_url
        if "KEEPBEST_HOST" in own:
            own["KEEPBEST_HOST"] = "127.0.0.1"
        (self.folder / name).mkdir(exist_ok=True)
        folders = {"KEEPBEST_DIR": str(self.folder / name), "KEEPBEST_STORE": str(self.folder / "store")}
        container = {"KEEPBEST_PORT": str(self.port), "KEEPBEST_WORKER_NAME": f"{name}-{number}"}
        return {**own, **folders, **container}

    def is_healthy(self, name: str) -> bool:
        kind, _, *arguments = SERVICES[name]["healthcheck"]["test"]
        assert kind == "CMD"
        command = [sys.executable, *map(self.here, arguments)]
        environment = clean_environment(**self.environment(name))
        return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True).returncode == 0

    def here(self, text: str) -> str:
        """Return the text with the tracker's address in the network of containers replaced by the one here."""
        return text.replace("//tracker:7766", f"//127.0.0.1:{self.port}").replace(":7766", f":{self.port}")

    def admin(self) -> Client:
        return Client(self.url, (self.folder / "tracker" / "admin-token").read_text().strip())


@pytest.fixture
def team(processes: Processes, tmp_path: Path) -> Iterator[Team]:
    with new_database() as url:
        yield Team(processes, tmp_path, url)
        processes.stop_all()


@pytest.fixture
def running(team: Team) -> dict[str, Process]:
    """The services in the order in which Compose starts them, each healthy before the next."""
    assert not team.is_healthy("scheduler"), "nothing runs yet"
    assert team.start("migrate").wait() == 0
    assert team.start("migrate").wait() == 0, "a second start migrates nothing and ends well too"
    found = {"tracker": team.start("tracker")}
    found["tracker"].wait_until(lambda: team.is_healthy("tracker"), what="a healthy tracker")
    found["scheduler"] = team.start("scheduler")
    found |= {f"worker-{number}": team.start("worker", number) for number in (1, 2)}
    wait_until(lambda: team.is_healthy("scheduler") and team.is_healthy("worker"), what="health")
    return found


def test_the_services_find_each_other_and_leave_when_asked(team: Team, running: dict[str, Process]) -> None:
    two = workers_are(team, {"worker-1", "worker-2"})
    running["worker-2"].wait_until(two, what="two workers at the tracker")
    with Client(team.url, SECRETS["KEEPBEST_WORKER_TOKEN"]) as worker, pytest.raises(NotAllowed):
        worker.users()
    for process in reversed(running.values()):
        process.send(signal.SIGTERM)
        assert process.wait() == 0, process.output
        assert SECRETS["KEEPBEST_WORKER_TOKEN"] not in process.output


def workers_are(team: Team, names: set[str]) -> Callable[[], bool]:
    def check() -> bool:
        try:
            with team.admin() as client:
                return names <= {worker.name for worker in client.workers().workers}
        except KeepbestError:
            return False

    return check
