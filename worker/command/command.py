"""Runs one command of a user, and turns its exit into the run's outcome.

The command is in this process's group, so that killing the group ends both. It does not get the pipe to the agent. The
outcome comes from the script's own report, if there is one, and from the exit code of the process.
"""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
from pathlib import Path
from types import FrameType

from keepbest.client.client import Client
from keepbest.contract.runs import CommandSource, RunError, Segment
from keepbest.contract.workers import Release
from keepbest.errors import KeepbestError
from keepbest.status import StopReason
from keepbest.tracking.handover import Handed, find_said
from worker.child_process import FAILED, FINISHED, HANDED_BACK
from worker.run_folder import RunFolder, TrainerJob
from worker.settings import command_environ

REQUEST_SECONDS = 5.0
#: Programs that mean the worker's own interpreter, whatever else is on the path.
_PYTHON = ("python", "python3")
_SHOWN = 200
#: The exit code of shells, and of scripts that clean up first, when SIGTERM ends a process.
_TERMINATED = 128 + signal.SIGTERM


class UserCommand:
    """Runs the command of one job."""

    def __init__(self, folder: RunFolder, job: TrainerJob, token: str) -> None:
        source = job.assignment.run.spec.source
        assert isinstance(source, CommandSource)  # noqa: S101  # the agent starts this process for no other source
        self._argv = source.argv
        self._folder = folder
        self._job = job
        self._token = token
        self._is_asked_to_end = False

    def run(self) -> int:
        """Run the command; return the exit code. The folder holds the outcome then, unless a signal ended it."""
        handed = Handed(
            assignment=self._job.assignment, url=self._job.url, token=self._token, segments=self._read_segments()
        )
        environ = command_environ(self._describe_run(handed.write(self._folder.path)))
        signal.signal(signal.SIGTERM, self._pass_on)
        signal.signal(signal.SIGINT, lambda *_: None)  # not SIG_IGN, which the command would inherit
        program, *arguments = self._argv
        command = [sys.executable if program in _PYTHON else program, *arguments]
        try:
            process = subprocess.Popen(command, cwd=self._folder.code, env=environ, stdin=subprocess.DEVNULL)
        except OSError as error:
            return self._fail(_explain_start(self._argv[0], error))
        if self._is_asked_to_end:
            process.terminate()
        return self._conclude(process.wait())

    def _describe_run(self, assignment: Path) -> dict[str, str]:
        """Return the variables that tell the script its run; none of them is secret."""
        run, job = self._job.assignment.run, self._job
        return {
            "KEEPBEST_ASSIGNMENT": str(assignment),
            "KEEPBEST_MODE": "online",
            "KEEPBEST_PROJECT": run.project,
            "KEEPBEST_RUN_ID": run.id,
            "KEEPBEST_STORE": str(job.store),
            "KEEPBEST_URL": job.url,
            **({"KEEPBEST_DATA": str(job.data)} if job.data else {}),
        }

    def _read_segments(self) -> list[Segment]:
        """Return the segments of earlier attempts, so that the script's history branches where it goes on."""
        if self._job.assignment.next_segment == 0:
            return []
        try:
            with Client(self._job.url, self._token, timeout_seconds=REQUEST_SECONDS, retries=1) as client:
                return client.segments(self._job.run_id).segments
        except KeepbestError:
            return []

    def _pass_on(self, number: int, frame: FrameType | None) -> None:
        """Ask the command, and all processes that it started, to end."""
        if not self._is_asked_to_end:
            self._is_asked_to_end = True
            os.killpg(0, signal.SIGTERM)

    def _conclude(self, code: int) -> int:
        release = find_said(self._folder.path)
        if self._is_asked_to_end and (code or release is None):
            return HANDED_BACK
        if code < 0:
            _die_of(-code)
        if code == _TERMINATED:  # the script wrote its best first
            _die_of(signal.SIGTERM)
        if code:
            return self._fail(release.error if release and release.error else self._explain_exit(code))
        self._folder.write_outcome(release or Release(outcome="finished"))
        return FINISHED

    def _explain_exit(self, code: int) -> RunError:
        return RunError(
            code="code_failed",
            message=f"The command ended with exit code {code}.",
            hint=f"`keepbest logs {self._job.run_id}` shows its output.",
            traceback=self._folder.read_tail(4000) or None,
        )

    def _fail(self, error: RunError) -> int:
        message = error.message[:2000]
        self._folder.write_outcome(
            Release(outcome="failed", stop_reason=StopReason.ERROR, stop_message=message, error=error)
        )
        return FAILED


def _explain_start(program: str, error: OSError) -> RunError:
    hint = "Name a program that the worker has, like: -- python train.py"
    if isinstance(error, PermissionError):
        interpreter = "python" if program.endswith(".py") else "sh"
        hint = f"Files are sent without their modes; name the interpreter: -- {interpreter} {program}"
    message = f"{program[:_SHOWN]!r} cannot be started: {(error.strerror or str(error)).lower()}."
    return RunError(code="code_failed", message=message, hint=hint[:_SHOWN])


def _die_of(number: int) -> None:
    """End by the same signal as the command, for the agent to see, without a second core file."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if number not in (signal.SIGKILL, signal.SIGSTOP):
        signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
    signal.pause()
