"""Claims runs while there are free slots, starts their trainers, and hands runs back when the worker leaves."""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
from collections.abc import Callable

import keepbest
from keepbest.client import bundle
from keepbest.client.client import Client
from keepbest.contract.base import new_id
from keepbest.contract.runs import CodeSource, CommandSource, RunError
from keepbest.contract.workers import Assignment, Claim, Release, WorkerRegistration
from keepbest.errors import InvalidInput, KeepbestError, NotAllowed, NotAuthenticated
from keepbest.journal.delivery import is_passing
from keepbest.status import StopReason
from worker import recipes
from worker.agent.flush import give_back
from worker.agent.recovery import sweep
from worker.agent.run_supervisor import RunSupervisor, folder_name
from worker.executors.base import Executor
from worker.run_folder import RunFolder, TrainerJob
from worker.settings import WorkerSettings

_log = logging.getLogger("keepbest.worker")

CLAIM_SECONDS = 1.0
REGISTER_SECONDS = 15.0
SLOW_CLAIM_SECONDS = 5.0
#: After so long without a run, the worker prepares no trainer ahead for as long after the next run's start, which then
#: has the machine for itself.
SETTLE_SECONDS = 5.0
#: The pause after a run that this worker could not start, so that other workers try first.
REFUSED_SECONDS = 30.0


class Agent:
    """One worker. `run` returns after a call of `leave`, from any thread or signal handler."""

    def __init__(self, settings: WorkerSettings, client: Client, executor: Executor) -> None:
        self._settings = settings
        self._client = client
        self._executor = executor
        self._id = new_id()
        self._request = new_id()
        self._supervisors: list[RunSupervisor] = []
        self._leaving = threading.Event()
        self._registers_at = 0.0
        self._claim_at = 0.0
        self._busy_at = float("-inf")
        self._prepare_at = 0.0

    def leave(self) -> None:
        """Claim no more runs, and let the trainers hand theirs back."""
        self._leaving.set()

    def run(self) -> None:
        """Serve until `leave`. Raises NotAuthenticated or NotAllowed if the token is no worker's."""
        self._introduce()
        sweeper = threading.Thread(target=self._sweep, name="sweep", daemon=True)
        sweeper.start()
        while not self._leaving.is_set():
            self._leaving.wait(self._turn())
        self._hand_back()
        sweeper.join(1.0)

    def _introduce(self) -> None:
        """Register, and try until the tracker answers for the first time."""
        is_warned = False
        while not self._leaving.is_set():
            try:
                self._register()
                _log.info("Worker %r (%s) is ready: %d slots.", self._settings.name, self._id, self._settings.slots)
                return
            except (NotAuthenticated, NotAllowed):
                raise
            except KeepbestError as error:
                if not is_warned:
                    _log.warning("%s Trying again until it answers.", error.message)
                is_warned = True
                self._leaving.wait(1.0)

    def _sweep(self) -> None:
        try:
            sweep(self._settings.folder, self._client, self._leaving.wait)
        except Exception:
            _log.exception("Sweeping %s failed.", self._settings.folder)

    def _turn(self) -> float:
        """Do one round; return the seconds until the next."""
        self._supervisors = [supervisor for supervisor in self._supervisors if not supervisor.is_over]
        if self._supervisors:
            self._busy_at = time.monotonic()
        try:
            if time.monotonic() >= self._registers_at:
                self._register()
            self._fill()
        except KeepbestError as error:
            if not is_passing(error):
                _log.error("%s", error.message)
            return SLOW_CLAIM_SECONDS
        if not self._supervisors or time.monotonic() >= self._prepare_at:
            self._executor.prepare()
        return CLAIM_SECONDS

    def _fill(self) -> None:
        """Claim until the slots are full or the queue is empty."""
        while len(self._supervisors) < self._settings.slots and not self._leaving.is_set():
            if time.monotonic() < self._claim_at:
                return
            # The id stays until an answer comes: the tracker then knows a repeated request whose answer was lost.
            assignment = self._client.claim(Claim(worker=self._id, request=self._request))
            self._request = new_id()
            if assignment is None:
                return
            self._take_up(assignment)
            now = time.monotonic()
            self._prepare_at = now + (SETTLE_SECONDS if now - self._busy_at > SETTLE_SECONDS else CLAIM_SECONDS)

    def _register(self) -> None:
        settings = self._settings
        self._client.register_worker(
            WorkerRegistration(
                id=self._id,
                name=settings.name,
                host=socket.gethostname()[:255],
                pid=os.getpid(),
                version=keepbest.__version__,
                slots=settings.slots,
                labels=settings.labels,
                recipes_only=settings.recipes_only,
                recipes=recipes.announce(),
            )
        )
        self._registers_at = time.monotonic() + REGISTER_SECONDS

    def _take_up(self, assignment: Assignment) -> None:
        """Start the trainer, from the main thread only: the kernel ends a trainer with the thread that made it."""
        run = assignment.run
        _log.info("Run %s (%s), lease %d.", run.id, run.name, assignment.attempt)
        job = self._make_job(assignment)
        folder = RunFolder(self._settings.folder / folder_name(run.id))
        try:
            folder.create(job)
            self._fetch_code(assignment, folder)
            trainer = self._executor.start(folder)
        except (KeepbestError, OSError) as error:
            self._refuse(job, folder, error)
            return
        grace_seconds, stall_seconds = self._settings.grace_seconds, self._settings.stall_seconds
        supervisor = RunSupervisor(job, folder, trainer, self._client, grace_seconds, stall_seconds)
        self._supervisors.append(supervisor)
        supervisor.start()

    def _make_job(self, assignment: Assignment) -> TrainerJob:
        known = self._settings
        return TrainerJob(
            assignment=assignment,
            url=self._client.url,
            store=known.store,
            notes=known.folder.parent,
            data=known.data,
            deterministic=known.deterministic,
            provenance=known.provenance,
        )

    def _fetch_code(self, assignment: Assignment, folder: RunFolder) -> None:
        source = assignment.run.spec.source
        if not isinstance(source, CodeSource | CommandSource):
            return
        if self._settings.recipes_only:
            raise InvalidInput("This worker runs built-in recipes only.", field="source")
        content = self._client.bundle(source.bundle)
        if bundle.digest_of(content) != source.bundle:
            raise InvalidInput("The code bundle from the tracker does not have its digest.", field="bundle")
        bundle.unpack(content, folder.code)

    def _refuse(self, job: TrainerJob, folder: RunFolder, error: KeepbestError | OSError) -> None:
        """Fail a run whose code is at fault; hand back a run that only this worker cannot start now."""
        _log.error("Run %s could not be started: %s", job.run_id, error)
        folder.remove()
        if isinstance(error, InvalidInput):
            fault = RunError(code=error.code, message=error.message, hint=error.hint)
            release = Release(outcome="failed", stop_reason=StopReason.ERROR, stop_message=error.message, error=fault)
        else:  # a full disk, or a tracker that went away: another worker may start it, or this one later
            release = Release(outcome="handed_back", stop_message=f"The worker could not start it: {error}")
            self._claim_at = time.monotonic() + REFUSED_SECONDS
        give_back(self._client, job, release)

    def _hand_back(self) -> None:
        """Give every trainer its grace to hand its run back; the next start delivers what the tracker misses now."""
        count = sum(not supervisor.is_over for supervisor in self._supervisors)
        _log.info("Leaving, and handing %d runs back.", count)
        self._executor.close()
        for supervisor in self._supervisors:
            supervisor.leave()
        deadline = time.monotonic() + self._settings.grace_seconds + 5.0
        for supervisor in self._supervisors:
            if not supervisor.join(max(0.0, deadline - time.monotonic())):
                supervisor.abandon()
                supervisor.join(5.0)
        _try(lambda: self._client.deregister_worker(self._id))


def _try(act: Callable[[], None]) -> None:
    try:
        act()
    except KeepbestError as error:
        _log.warning("%s", error.message)
