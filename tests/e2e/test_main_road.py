"""A run through all parts of keepbest, on both databases: the commands that a user types, each in its own process.

A user's own file is trained by a real worker, gone back to its best, stopped, restored in a fresh process and measured
anew, while the tracker is killed and started again beside it.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from keepbest.client.client import Client
from keepbest.errors import KeepbestError
from tests.support.environment import clean_environment
from tests.support.need import need_tensorflow
from tests.support.network import free_port
from tests.support.processes import PATIENCE, ROOT, Process, Processes, wait_until

POLL_SECONDS = 0.1

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]

#: Learns a sum until somebody stops it, slowly enough to leave the machine to the commands.
MY_MODEL = """
import time

import keepbest
import keras
import numpy as np


def build(units: int = 4, learning_rate: float = 1e-2, scale: float = 1.0):
    x = np.random.default_rng(0).normal(size=(256, 3)).astype("float32")
    y = x.sum(axis=1, keepdims=True) * scale
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(units, "tanh"), keras.layers.Dense(1)])
    model.compile(keras.optimizers.Adam(learning_rate), "mse", metrics=["mae"])
    print("built with", units, "units")
    slowly = keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: time.sleep(0.02))
    return keepbest.Training(model, (x[:192], y[:192]), (x[192:], y[192:]), callbacks=[slowly])
"""


class Road:
    """A service of three processes on one database, and the command line of a user beside it."""

    def __init__(self, processes: Processes, folder: Path, database_url: str) -> None:
        self.folder = folder
        self.processes = processes
        self.port = free_port()
        self.environment = {
            "KEEPBEST_DIR": str(folder / "service"),
            "KEEPBEST_DATABASE_URL": database_url,
            "KEEPBEST_PORT": str(self.port),
            "KEEPBEST_URL": f"http://127.0.0.1:{self.port}",
            "KEEPBEST_LEASE_SECONDS": "4",
        }
        self.tracker = self.start_tracker()
        self.environment["KEEPBEST_TOKEN"] = (folder / "service" / "admin-token").read_text().strip()
        self.scheduler = self._start("scheduler")
        self.worker = self._start("worker")

    def start_tracker(self) -> Process:
        tracker = self._start("server")
        tracker.wait_for_output("keepbest tracker at")  # not the last words of one killed before
        tracker.wait_until(self._answers, what="an answer of the tracker")
        return tracker

    def keepbest(self, *arguments: str | Path, status: int = 0) -> str:
        """Run the command as a user does and return what it prints."""
        done = subprocess.run(
            [sys.executable, "-m", "keepbest.cli.main", *map(str, arguments)],
            cwd=self.folder,
            env=clean_environment(**self.environment, PYTHONPATH=str(ROOT)),
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        assert done.returncode == status, f"{arguments}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def json(self, *arguments: str | Path) -> Any:
        return json.loads(self.keepbest(*arguments, "--json"))

    def wait_for_best(self, run: str, step: int) -> None:
        """Poll in this process: a command each time would slow down the trainer."""
        with self.client() as client:

            def poll() -> bool:
                time.sleep(POLL_SECONDS)
                return (client.run(run).best_step or 0) >= step

            wait_until(poll, what=f"a best at {step}")

    def client(self) -> Client:
        return Client(self.environment["KEEPBEST_URL"], self.environment.get("KEEPBEST_TOKEN"))

    def _answers(self) -> bool:
        with suppress(KeepbestError), self.client() as client:
            return client.health().status == "ok"
        return False

    def _start(self, verb: str) -> Process:
        return self.processes.start(sys.executable, "-m", "keepbest.cli.main", verb, folder=None, **self.environment)


@pytest.fixture
def road(processes: Processes, tmp_path: Path, database_url: str) -> Iterator[Road]:
    need_tensorflow()
    yield Road(processes, tmp_path, database_url)
    processes.stop_all()


def test_a_user_s_model_from_submission_to_receipt(road: Road) -> None:
    (road.folder / "my_model.py").write_text(MY_MODEL)
    asked = ["--set", "units=8", "--monitor", "val_loss", "--mode", "min", "--stop", "patience(checks=5000)"]
    run = road.json("submit", "my_model.py", *asked, "--max-steps", "2000000", "--validate-every", "20")["id"]
    road.wait_for_best(run, 40)

    road.tracker.send(signal.SIGKILL)
    road.tracker.wait()
    road.tracker = road.start_tracker()
    best = road.json("show", run)["best_step"]
    road.wait_for_best(run, best + 20)

    gone_back = road.json("rollback", run[:6], "--to", "best")
    assert gone_back["state"] == "done", gone_back
    road.keepbest("stop", run)
    road.keepbest("watch", run)

    found = road.json("show", run)
    assert (found["state"], found["stop_reason"], found["attempt"]) == ("finished", "user", 1)
    assert found["best_value"] == min(
        validation["value"] for validation in road.json("show", run, "--validations") if validation["value"] is not None
    )
    assert "built with 8 units" in road.keepbest("logs", run)
    receipt = road.json("restore", run, "--verify", "--to", road.folder / "restored")
    assert (receipt["equal"], receipt["difference"], receipt["step"]) == (True, 0.0, found["best_step"])
    assert (road.folder / "restored" / "model.keras").is_file()
    assert [listed["id"] for listed in road.json("ls")["runs"]] == [run]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_hostile_name_and_a_wrong_word_are_told_apart(road: Road) -> None:
    recipes = wait_until(lambda: road.json("recipes")["recipes"], what="the worker's hello")
    assert "hvass-cnn" in [recipe["name"] for recipe in recipes]
    assert road.keepbest("submit", "hvas-cnn", status=2) == ""
    assert road.keepbest("submit", "hvass-cnn", "--set", "learning_rat=1", status=2) == ""
    assert road.keepbest("submit", "hvass-cnn", "--data", "nmist", status=2) == ""
    assert road.keepbest("submit", "hvass-cnn", "--name", "a name\u202eelif a ton", status=2) == ""
    assert road.keepbest("show", "zzzzzz", status=3) == ""
    assert road.json("ls")["runs"] == []
