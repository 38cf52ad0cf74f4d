"""One run's working folder on a worker: files that agent and trainer leave for each other, and for the next agent.

* job.json        the assignment and the paths of store and data (0600, because it holds the lease's token)
* code/           the user's bundle, unpacked
* output.log      the output of the trainer
* journal/        records for the tracker; trainer and agent have a journal each
* outcome.json    the trainer's report of how training ended
* mark            the mark of this attempt's processes (`worker.child_process`), to find them after a crash
* lock            held by the agent that looks after the folder
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from contextlib import suppress
from pathlib import Path

from pydantic import ValidationError

from keepbest.contract.base import Answer
from keepbest.contract.workers import Assignment, Release
from keepbest.errors import KeepbestError
from keepbest.settings import Recorded, write_private


class TrainerJob(Answer):
    """Everything that a trainer needs to begin, except its token, which comes by standard input and never by a file."""

    assignment: Assignment
    url: str
    store: Path
    notes: Path | None = None
    data: Path | None = None
    deterministic: bool = True
    provenance: Recorded = "all"

    @property
    def run_id(self) -> str:
        return self.assignment.run.id


class RunFolder:
    """The folder of one attempt at one run."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock: int | None = None

    @property
    def code(self) -> Path:
        return self.path / "code"

    @property
    def output(self) -> Path:
        return self.path / "output.log"

    @property
    def journal(self) -> Path:
        return self.path / "journal"

    def create(self, job: TrainerJob) -> None:
        """Make the folder with its job, locked by this process."""
        self.path.mkdir(parents=True, mode=0o700)
        self.try_lock()
        write_private(self.path / "job.json", json.dumps(job.model_dump(mode="json")))

    def try_lock(self) -> bool:
        """Lock the folder unless another living agent has locked it; return whether it is ours."""
        try:
            lock = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        except FileNotFoundError:
            return False
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            return False
        self._lock = lock
        return True

    def unlock(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def get_job(self) -> TrainerJob:
        """Read the job. Raises KeepbestError if the folder holds none."""
        try:
            return TrainerJob.model_validate_json((self.path / "job.json").read_bytes())
        except (OSError, ValidationError) as error:
            raise KeepbestError(f"{self.path} holds no job: {error}") from error

    def write_mark(self, mark: str) -> None:
        """Write the mark of this attempt's processes, before the first of them starts."""
        (self.path / "mark").write_text(mark, encoding="utf-8")

    def find_mark(self) -> str | None:
        """Return the mark, or None if no process was started yet."""
        with suppress(OSError, ValueError):
            return (self.path / "mark").read_text(encoding="utf-8") or None
        return None

    def write_outcome(self, outcome: Release) -> None:
        """Write how training ended: a trainer's last act."""
        write_private(self.path / "outcome.json", outcome.model_dump_json())

    def find_outcome(self) -> Release | None:
        """Return the trainer's outcome, or None if it ended without one."""
        try:
            return Release.model_validate_json((self.path / "outcome.json").read_bytes())
        except (OSError, ValidationError):
            return None

    def read_tail(self, size: int = 2000) -> str:
        """Return the end of the output."""
        with suppress(FileNotFoundError), self.output.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - size))
            return file.read().decode(errors="replace")
        return ""

    def remove(self) -> None:
        """Delete the folder; `worker.agent.recovery` retries files that cannot be deleted now."""
        shutil.rmtree(self.path, ignore_errors=True)
        self.unlock()
