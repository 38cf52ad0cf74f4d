"""Sends the remaining batches and files of a trainer's journals after its end, then releases the lease."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TypeVar

from keepbest.client.client import Client
from keepbest.contract.workers import Release
from keepbest.errors import Busy, InvalidInput, KeepbestError
from keepbest.journal.delivery import is_passing, send_all, set_all_aside
from keepbest.journal.file_delivery import send_files, set_files_aside
from keepbest.journal.journal import Journal
from keepbest.journal.set_aside import keep_folder
from worker.run_folder import RunFolder, TrainerJob

_log = logging.getLogger("keepbest.worker")
T = TypeVar("T")

#: Waits for so many seconds; returns True, at once, if the agent leaves meanwhile.
Wait = Callable[[float], bool]
RETRY_SECONDS = (0.5, 1.0, 2.0, 5.0)


def deliver(client: Client, folder: RunFolder, job: TrainerJob, release: Release | None, wait: Wait) -> bool:
    """Send the journals, then give the run back. Return False if the agent leaves before the tracker answers.

    `release` is None if the lease is lost: then this only sends the records that were made under it.
    """
    if not _insist(lambda: drain(client, folder, job.run_id, job.assignment.lease.token), job, wait):
        return False
    return release is None or _insist(lambda: give_back(client, job, release), job, wait)


def drain(client: Client, folder: RunFolder, run: str | None = None, lease: str = "") -> None:
    """Send the journals' records; set aside those that the tracker refuses for good. Raises only passing errors.

    A journal that does not name its run belongs to `run`, under `lease`; without these it is set aside.
    """
    for path in sorted(folder.journal.glob("*/writer.json")):
        try:
            journal = Journal.open(path.parent, run=run, lease=lease)
        except InvalidInput as error:
            _log.warning("%s The journal is set aside in %s.", error.message, keep_folder(path.parent))
            continue
        except (Busy, OSError) as error:
            _log.warning("The journal %s cannot be sent now: %s", path.parent, error)
            continue
        try:
            send_all(journal, client)
            send_files(journal.folder, journal.about, client)
        except KeepbestError as error:
            if is_passing(error):
                raise
            kept = set_all_aside(journal, error)
            set_files_aside(journal.folder, journal.about, error)
            details = (journal.about.run, error.message, kept)
            _log.warning("The tracker refuses records of run %s (%s): the rest is set aside in %s.", *details)
        finally:
            journal.close()


def give_back(client: Client, job: TrainerJob, release: Release) -> None:
    """Release the lease. Raises only passing errors."""
    try:
        run = client.release(job.run_id, job.assignment.lease.token, release)
        _log.info("Run %s (%s) is %s: %s.", run.id, run.name, run.state.value, release.outcome)
    except KeepbestError as error:
        if is_passing(error):
            raise
        _log.warning("Run %s could not be given back as %s: %s", job.run_id, release.outcome, error.message)


def _insist(act: Callable[[], None], job: TrainerJob, wait: Wait) -> bool:
    """Repeat `act` until the tracker answers; return False if the agent leaves before that."""
    attempt = 0
    while True:
        try:
            act()
            return True
        except KeepbestError as error:
            pause = RETRY_SECONDS[min(attempt, len(RETRY_SECONDS) - 1)]
            if attempt == 0:
                _log.warning("Run %s: %s Trying again until it answers.", job.run_id, error.message)
            attempt += 1
            if wait(pause):
                return False
