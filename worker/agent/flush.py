"""After a trainer ended: sends the remaining batches of its journals, then releases the lease."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TypeVar

from keepbest.client.client import Client
from keepbest.contract.workers import Release
from keepbest.errors import Busy, InvalidInput, KeepbestError
from keepbest.journal.delivery import is_passing, send_all, set_all_aside
from keepbest.journal.journal import Journal
from keepbest.journal.set_aside import keep_folder
from worker.run_folder import RunFolder, TrainerJob

_log = logging.getLogger("keepbest.worker")
T = TypeVar("T")

#: Answers true after so many seconds, or at once when the agent is told to leave.
Wait = Callable[[float], bool]
RETRY_SECONDS = (0.5, 1.0, 2.0, 5.0)


def deliver(client: Client, folder: RunFolder, job: TrainerJob, release: Release | None, wait: Wait) -> bool:
    """Send the journals, then give the run back; False when the agent left before the tracker could be told.

    `release` is None where the lease is lost: then only what was measured under it is still delivered.
    """
    whose = (job.run_id, job.assignment.lease.token)
    if not _insist(lambda: drain(client, folder, *whose), job, wait):
        return False
    return release is None or _insist(lambda: give_back(client, job, release), job, wait)


def drain(client: Client, folder: RunFolder, run: str | None = None, lease: str = "") -> None:
    """Send what the journals hold; raises only what may pass. What the tracker refuses for good is set aside.

    A journal that does not say itself whose it is is taken for one of `run`, under `lease`; without these it is set
    aside as it is.
    """
    for path in sorted(folder.journal.glob("*/writer.json")):
        try:
            journal = Journal.open(path.parent, run=run, lease=lease)
        except InvalidInput as error:
            _log.warning("%s It is in %s.", error.message, keep_folder(path.parent))
            continue
        except (Busy, OSError) as error:
            _log.warning("A journal is left out: %s", error)
            continue
        try:
            send_all(journal, client)
        except KeepbestError as error:
            if is_passing(error):
                raise
            kept = set_all_aside(journal, error)
            pair = (journal.about.run, error.message, kept)
            _log.warning("The tracker takes no more of run %s (%s): the rest is in %s.", *pair)
        finally:
            journal.close()


def give_back(client: Client, job: TrainerJob, release: Release) -> None:
    """Release the lease; raises only what may pass."""
    try:
        run = client.release(job.run_id, job.assignment.lease.token, release)
        _log.info("Run %s (%s) is %s: %s.", run.id, run.name, run.state.value, release.outcome)
    except KeepbestError as error:
        if is_passing(error):
            raise
        _log.warning("Run %s could not be given back as %s: %s", job.run_id, release.outcome, error.message)


def _insist(act: Callable[[], None], job: TrainerJob, wait: Wait) -> bool:
    """Do it until the tracker answers; False when the agent is told to leave before that."""
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
