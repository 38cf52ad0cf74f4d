"""A service in a folder of its own, and what it trains: submitted, waited for, restored, measured anew."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from keepbest.cli.common.errors import Exit
from keepbest.cli.runs.watch import follow
from keepbest.cli.service.demo import wait_for_recipe
from keepbest.cli.service.processes import python
from keepbest.cli.service.stack import ProcessMonitor, Stack
from keepbest.client.client import Client
from keepbest.contract.checkpoints import Receipt
from keepbest.contract.replays import Replay, ReplayRequest
from keepbest.contract.runs import Run, RunRequest
from keepbest.contract.validations import RecordedValidation
from keepbest.errors import KeepbestError
from keepbest.settings import child_environment
from tests.support.network import free_port
from tests.tutorials.systems import Outcome


@dataclass(frozen=True)
class Service:
    """A running `keepbest up`, as the commands reach it."""

    stack: Stack
    data: Path | None

    def train(self, *requests: RunRequest) -> list[Outcome]:
        """Train runs to their ends, as many at a time as there are slots; raises KeepbestError where one fails."""
        with self.stack.client() as client:
            runs = [client.submit(request) for request in requests]
            return [self._finish(client, run) for run in runs]

    def replay(self, request: ReplayRequest) -> Replay:
        with self.stack.client() as client:
            return client.replay(request)

    def _finish(self, client: Client, run: Run) -> Outcome:
        print(f"\n{run.name}: {self.stack.url}/r/{run.id}", flush=True)
        if follow(client, run.id) != Exit.OK:
            raise KeepbestError(f"{run.name} did not finish.", hint=f"Read {self.stack.folder}/logs.")
        receipt = self._restore(run.id)
        return Outcome(client.run(run.id), list(read_validations(client, run.id)), receipt)

    def _restore(self, run: str) -> Receipt:
        """Write the best to files and measure it, with the command that a user types."""
        folder = self.stack.folder / "restored" / run
        data = ["--data-dir", str(self.data)] if self.data else []
        command = python("keepbest.cli.main", "restore", run, "--best", "--to", str(folder), "--verify", "--json")
        environ = child_environment(
            KEEPBEST_DIR=str(self.stack.folder), KEEPBEST_URL=self.stack.url, KEEPBEST_TOKEN=self.stack.admin_token
        )
        done = subprocess.run([*command, *data], env=environ, capture_output=True, text=True, check=False)
        if done.returncode not in (Exit.OK, Exit.RECEIPT_DIFFERS):
            raise KeepbestError(f"{run} was not restored: {done.stderr}")
        return Receipt.model_validate_json(done.stdout)


@contextmanager
def serve(folder: Path, data: Path | None, *, slots: int = 1) -> Iterator[Service]:
    """Start tracker, scheduler and one worker in a folder; end them afterwards, whatever happened."""
    stack = Stack(folder, free_port(), slots=slots, data=data)
    keeper = ProcessMonitor(stack.children)
    try:
        stack.start()
        keeper.start()
        with stack.client() as client:
            wait_for_recipe(client, keeper)
        yield Service(stack, data)
    finally:
        keeper.close()
        stack.stop()


def find_data() -> Path | None:
    """Return the folder of data sets that the environment names."""
    named = os.environ.get("KEEPBEST_DATA") or os.environ.get("KEEPBEST_TEST_DATA")
    return Path(named) if named else None


def read_validations(client: Client, run: str) -> Iterator[RecordedValidation]:
    after = 0
    while validations := client.validations(run, after=after).validations:
        yield from validations
        after = validations[-1].seq
