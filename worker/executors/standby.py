"""Keeps one trainer waiting that has imported TensorFlow, so that the next run starts without those seconds."""

from __future__ import annotations

import logging
import os
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import IO, NamedTuple

from keepbest.tracking.process import heartbeat
from worker.child_process import ChildProcess, make_mark
from worker.run_folder import RunFolder
from worker.trainer.agent_pipe import pack

_log = logging.getLogger("keepbest.worker")

#: The pause after a signal killed the waiting trainer: memory is probably short, and runs need it more.
REST_SECONDS = 600.0
#: How long a trainer waits in vain before it ends and frees its memory, until runs come again.
IDLE_SECONDS = 600.0
#: The time for a trainer's imports; after that it must answer within so many seconds, or it is replaced.
IMPORT_SECONDS, ANSWER_SECONDS = 60.0, 5.0
_OUTPUT_BYTES = 16 * 1024


class StandbyTrainer(NamedTuple):
    """The waiting trainer, its mark, its output (a file without a name, which it reads back), and its start time."""

    child: ChildProcess
    mark: str
    output: IO[bytes]
    since: float


class Standby:
    """Keeps at most one trainer waiting. Called from the agent's main thread, as an executor's `start`."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self._waiting: StandbyTrainer | None = None
        self._rests_until = 0.0
        self._is_idle = False

    def prepare(self) -> None:
        """Start a trainer if none waits; returns at once. If that fails, this logs it, and runs start as usual.

        This ends a trainer that has waited for IDLE_SECONDS, and starts no other before the next run has come.
        """
        self._check_waiting()
        now = time.monotonic()
        if self._waiting is not None and now - self._waiting.since >= IDLE_SECONDS:
            self.close()
            self._is_idle = True
        elif self._waiting is None and now >= self._rests_until and not self._is_idle:
            try:
                self._waiting = self._start()
            except OSError as error:
                self._rest(REST_SECONDS, str(error))

    def take(self, folder: RunFolder, secret: str) -> ChildProcess | None:
        """Make the waiting trainer the one of `folder`; None if there is none, or it does not answer.

        A trainer that still imports takes the run afterwards. One that must be done by now has to answer.
        """
        self._check_waiting()
        self._is_idle = False
        if self._waiting is None:
            return None
        child, mark, output, since = self._waiting
        folder.write_mark(mark)  # before the trainer can start processes, which the mark must find
        if not child.tell(pack(folder.path, secret)):  # the trainer has just ended
            child.kill()
            self._check_waiting()
            return None
        if time.monotonic() - since > IMPORT_SECONDS and not _answers(folder):
            self.close()
            _log.warning("Process %d waited for a run and did not answer: %s begins cold.", child.pid, folder.path.name)
            return None
        self._waiting = None
        output.close()
        _log.info("%s begins warm: process %d had waited.", folder.path.name, child.pid)
        return child

    def close(self) -> None:
        """End the waiting trainer."""
        if self._waiting is not None:
            self._waiting.child.kill()
            self._waiting.output.close()
            self._waiting = None

    def _start(self) -> StandbyTrainer:
        command = [sys.executable, "-P", "-m", "worker.trainer"]
        mark, output = make_mark(), tempfile.TemporaryFile()  # noqa: SIM115  # `take` and `close` close it
        # It waits in `/`: a process in another folder would keep users from unmounting that.
        child = ChildProcess(command, folder=Path("/"), output=output, environ=self._environ, mark=mark, secret=None)
        return StandbyTrainer(child, mark, output, time.monotonic())

    def _check_waiting(self) -> None:
        """Notice the end of the waiting trainer. If it ended by itself, no other starts: it would do so again."""
        if self._waiting is not None and (code := self._waiting.child.poll()) is not None:
            texts = os.pread(self._waiting.output.fileno(), _OUTPUT_BYTES, 0).decode(errors="replace").splitlines()
            self.close()
            seconds = REST_SECONDS if code < 0 else float("inf")
            self._rest(seconds, f"it ended with {code}. {texts[-1] if texts else ''}")

    def _rest(self, seconds: float, why: str) -> None:
        self._rests_until = time.monotonic() + seconds
        _log.warning("No trainer waits for the next run, which begins cold: %s", why)


def _answers(folder: RunFolder) -> bool:
    """Whether the trainer that got the folder gives a sign of life in it."""
    until = time.monotonic() + ANSWER_SECONDS
    while (sign := heartbeat.read(folder.path)) is None and time.monotonic() < until:
        time.sleep(0.02)
    return sign is not None
