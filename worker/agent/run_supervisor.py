"""Supervises one claimed run from the start of its trainer to the release, in a thread of its own."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime

from keepbest.client.client import Client
from keepbest.contract.base import new_id
from keepbest.contract.batches import CommandUpdate
from keepbest.contract.commands import Command
from keepbest.contract.provenance import Provenance
from keepbest.contract.runs import CommandSource, RunError
from keepbest.contract.workers import Release
from keepbest.errors import KeepbestError
from keepbest.journal.delivery import is_passing
from keepbest.provenance.describe import describe_git, describe_process, list_packages
from keepbest.status import CommandKind, StopReason
from keepbest.tracking.handover import is_listening
from worker.agent.flush import deliver
from worker.agent.output import OutputTail, try_send
from worker.agent.stall import Vigil, describe_stall
from worker.child_process import FAILED, FINISHED, HANDED_BACK, explain_exit
from worker.executors.base import Running
from worker.run_folder import RunFolder, TrainerJob

_log = logging.getLogger("keepbest.worker")

POLL_SECONDS = 0.2
OUTPUT_SECONDS = 0.5
#: The time from SIGTERM to SIGKILL for a cancelled command, unless the worker's grace is shorter.
CANCEL_SECONDS = 10.0
#: The time for a stalled trainer to print where it stands.
WORDS_SECONDS = 0.5
#: The time from a stop to SIGTERM for a command whose script does not ask for commands.
LISTEN_SECONDS = 10.0


def utc_now() -> datetime:
    return datetime.now(UTC)


class RunSupervisor:
    """Renews the lease, forwards the output, obeys commands to cancel or stop, and reports how the run ended."""

    def __init__(
        self,
        job: TrainerJob,
        folder: RunFolder,
        trainer: Running,
        client: Client,
        grace_seconds: float,
        stall_seconds: float = 0.0,
    ) -> None:
        self.job = job
        self._folder = folder
        self._trainer = trainer
        self._client = client
        self._grace_seconds = grace_seconds
        self._tail = OutputTail(folder, job, client, utc_now)
        self._leaving = threading.Event()
        self._gone = threading.Event()
        self._lost = False
        self._cancelled = False
        self._stopped_by: Command | None = None
        self._stop_at: float | None = None
        self._kill_at = float("inf")
        self._is_command = isinstance(job.assignment.run.spec.source, CommandSource)
        allowed = stall_seconds if job.assignment.run.spec.stall else 0.0
        self._vigil = Vigil(folder, allowed, is_command=self._is_command)
        self._stalled: float | None = None
        self._renew_at = time.monotonic() + self._renew_seconds
        self._thread = threading.Thread(target=self._watch, name=f"run-{job.run_id}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    @property
    def is_over(self) -> bool:
        return not self._thread.is_alive()

    def leave(self) -> None:
        """Ask the trainer to write a checkpoint and hand the run back; returns at once."""
        self._leaving.set()
        self._trainer.interrupt()

    def abandon(self) -> None:
        """Stop waiting for a tracker that does not answer: the next start of the agent delivers the folder."""
        self._gone.set()

    def join(self, seconds: float) -> bool:
        """Wait for the end of the run's thread; return whether it came in time."""
        self._thread.join(seconds)
        return self.is_over

    @property
    def _renew_seconds(self) -> float:
        return self.job.assignment.lease.lease_seconds / 3

    def _watch(self) -> None:
        try:
            if self._is_command:
                self._begin_command()
            code = self._attend()
            self._trainer.kill()  # also ends processes that the trainer has left behind
            self._tail.collect(final=True)
            self._tail.close()
            release = None if self._lost else self._conclude(code)
            if release is not None:
                self._folder.write_outcome(release)
            if deliver(self._client, self._folder, self.job, release, self._wait_renewing):
                self._folder.remove()
        except Exception:
            _log.exception("Looking after run %s failed.", self.job.run_id)
        finally:
            self._trainer.kill()
            self._folder.unlock()

    def _attend(self) -> int:
        """Look after the trainer until it ends; return its exit code."""
        output_at = 0.0
        while (code := self._trainer.poll()) is None:
            now = time.monotonic()
            if self._leaving.is_set():
                self._kill_at = min(self._kill_at, now + self._grace_seconds)
            if now >= output_at:
                self._tail.collect()
                try_send(self._tail)
                output_at = time.monotonic() + OUTPUT_SECONDS
            self._renew_if_due()
            self._end_if_stalled()
            if self._lost or now >= self._kill_at:
                self._trainer.kill()
            else:
                self._leaving.wait(POLL_SECONDS) if not self._leaving.is_set() else time.sleep(POLL_SECONDS)
        return code

    def _renew_if_due(self) -> None:
        if time.monotonic() < self._renew_at or self._lost:
            return
        self._renew_at = time.monotonic() + self._renew_seconds
        try:
            renewal = self._client.renew(self.job.run_id, self.job.assignment.lease.token)
        except KeepbestError as error:
            self._note_failed_renewal(error)
            return
        for command in renewal.commands:
            if command.kind is CommandKind.CANCEL and not self._cancelled:
                self._cancel(command)
            elif command.kind is CommandKind.STOP and self._is_command and self._stopped_by is None:
                self._stop_if_nobody_listens(command)

    def _note_failed_renewal(self, error: KeepbestError) -> None:
        if is_passing(error):
            # Training goes on: the tracker revives a lease that ended, unless somebody else took the run.
            _log.warning("Run %s: the lease could not be renewed: %s", self.job.run_id, error.message)
            self._renew_at = time.monotonic() + min(2.0, self._renew_seconds)
            return
        _log.warning("Run %s is no longer ours: %s", self.job.run_id, error.message)
        self._lost = True

    def _cancel(self, command: Command) -> None:
        """Kill a trainer at once, since its state is on disk; give a user's command time to clean up."""
        self._cancelled = True
        grace_seconds = min(CANCEL_SECONDS, self._grace_seconds) if self._is_command else 0.0
        self._end(command, grace_seconds, "The command was ended." if self._is_command else "The trainer was ended.")

    def _end_if_stalled(self) -> None:
        """Report a stalled trainer, let it print where it stands, and end it."""
        if self._stalled is not None or self._leaving.is_set() or self._kill_at != float("inf"):
            return
        self._stalled = self._vigil.find_silence(self._trainer.pid)
        if self._stalled is not None:
            self._tail.report_stall(f"No sign of life for {self._stalled:.0f} s: the worker ends the training.")
            try_send(self._tail)
            _log.warning("Run %s gave no sign of life for %.0f s: ending it.", self.job.run_id, self._stalled)
            self._vigil.ask_where(self._trainer.pid)
            time.sleep(WORDS_SECONDS)
            self._kill_at = time.monotonic() + min(CANCEL_SECONDS, self._grace_seconds)
            self._trainer.interrupt()

    def _stop_if_nobody_listens(self, command: Command) -> None:
        """Send SIGTERM to a script that does not ask for commands; one that asks obeys at its next validation."""
        if self._stop_at is None:
            self._stop_at = time.monotonic() + min(LISTEN_SECONDS, self._grace_seconds)
        if time.monotonic() < self._stop_at:
            self._renew_at = min(self._renew_at, self._stop_at)
        elif not is_listening(self._folder.path):
            self._stopped_by = command
            self._end(command, self._grace_seconds, "The command was sent SIGTERM: its script asks for no commands.")

    def _end(self, command: Command, grace_seconds: float, message: str) -> None:
        self._kill_at = min(self._kill_at, time.monotonic() + grace_seconds)
        if grace_seconds:
            self._trainer.interrupt()
        states: tuple[CommandUpdate, ...] = (
            CommandUpdate(id=command.id, state="acknowledged", at=utc_now()),
            CommandUpdate(id=command.id, state="done", message=message, at=utc_now()),
        )
        self._tail.answer(*states)

    def _conclude(self, code: int) -> Release:
        """Return the release of the run, or the trainer's own."""
        if self._cancelled:
            return Release(outcome="cancelled", stop_reason=StopReason.USER)
        outcome = self._folder.find_outcome()
        if self._stopped_by is not None:
            reason, message = self._stopped_by.stop_reason, f"Stopped: {self._stopped_by.why}."
            return Release(outcome="finished", stop_reason=reason, stop_message=message)
        if code in (FINISHED, FAILED) and outcome is not None:
            return outcome
        if self._stalled is not None:
            return describe_stall(self._stalled, _last_words(self._folder))
        if code == HANDED_BACK or self._leaving.is_set():
            return Release(outcome="handed_back", stop_message="The worker left.")
        return describe_crash(code, self._folder)

    def _begin_command(self) -> None:
        """Report what the command's script may never report: the machine, the code, the packages."""
        source = self.job.assignment.run.spec.source
        git = source.git if isinstance(source, CommandSource) else None
        packages = dict(list_packages()) if self.job.provenance != "off" else {}
        self._tail.begin({**describe_process(), **describe_git(git)}, Provenance(packages=packages))

    def _wait_renewing(self, seconds: float) -> bool:
        """Wait, and renew the lease meanwhile; return whether to give up."""
        self._renew_if_due()
        return self._gone.wait(seconds)


def describe_crash(code: int, folder: RunFolder) -> Release:
    """Return the release of a trainer that ended without an outcome of its own."""
    message, hint = explain_exit(code)
    error = RunError(code="crashed", message=message, hint=hint, traceback=_last_words(folder) or None)
    return Release(outcome="crashed", stop_reason=StopReason.ERROR, stop_message=message, error=error)


def _last_words(folder: RunFolder) -> str:
    """Return the end of the output without the list of every compiled module that Python adds to a fatal error."""
    lines = folder.read_tail(20_000).splitlines(keepends=True)
    return "".join(line for line in lines if not line.startswith("Extension modules:"))[-4000:]


def folder_name(run: str) -> str:
    """Return a new name for each attempt: another agent may still be delivering the last attempt's folder."""
    return f"{run}-{new_id()[:6]}"


Spawn = Callable[[RunFolder], Running]
