"""One trainer ahead: it has imported TensorFlow and waits, so that the next run begins without those seconds."""

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

#: Where one was killed while it waited memory is short: so long no other takes what runs may need.
REST_SECONDS = 600.0
#: So long it waits in vain; then it gives its memory back, until runs come again.
IDLE_SECONDS = 600.0
#: Within so long it has imported everything; then it answers within so many seconds, or is replaced.
IMPORT_SECONDS, ANSWER_SECONDS = 60.0, 5.0
_SAID_BYTES = 16 * 1024


class StandbyTrainer(NamedTuple):
    """The trainer ahead, its mark, what it has printed (a file without a name, which it reads back), when it began."""

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
        """Start one where none waits; returns at once. Where none can wait that is said, and runs begin as ever.

        One that has waited for IDLE_SECONDS is ended, and no other started before the next run has come.
        """
        self._validation()
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
        """Make the one that waits the trainer of `folder`; None where none is there to hear it.

        One that still imports is taken too: it hears when it is done. One that must be done by now has to answer.
        """
        self._validation()
        self._is_idle = False
        if self._waiting is None:
            return None
        child, mark, output, since = self._waiting
        folder.write_mark(mark)  # before it can start anything that would have to be found
        if not child.tell(pack(folder.path, secret)):  # it ended this very moment
            child.kill()
            self._validation()
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
        """End the one that waits; it holds nothing."""
        if self._waiting is not None:
            self._waiting.child.kill()
            self._waiting.output.close()
            self._waiting = None

    def _start(self) -> StandbyTrainer:
        command = [sys.executable, "-P", "-m", "worker.trainer"]
        mark, output = make_mark(), tempfile.TemporaryFile()  # noqa: SIM115  # closed when it is no longer ours
        # In nobody's folder yet: there it would be in the way of whoever moves or unmounts it.
        child = ChildProcess(command, folder=Path("/"), output=output, environ=self._environ, mark=mark, secret=None)
        return StandbyTrainer(child, mark, output, time.monotonic())

    def _validation(self) -> None:
        """Notice where the one that waits has ended. One that gave up by itself would do so again."""
        if self._waiting is not None and (code := self._waiting.child.poll()) is not None:
            texts = os.pread(self._waiting.output.fileno(), _SAID_BYTES, 0).decode(errors="replace").splitlines()
            self.close()
            self._rest(
                REST_SECONDS if code < 0 else float("inf"), f"it ended with {code}. {texts[-1] if texts else ''}"
            )

    def _rest(self, seconds: float, why: str) -> None:
        self._rests_until = time.monotonic() + seconds
        _log.warning("No trainer waits for the next run, which begins cold: %s", why)


def _answers(folder: RunFolder) -> bool:
    """Whether the trainer that was given the folder shows a sign of life in it."""
    until = time.monotonic() + ANSWER_SECONDS
    while (sign := heartbeat.read(folder.path)) is None and time.monotonic() < until:
        time.sleep(0.02)
    return sign is not None
