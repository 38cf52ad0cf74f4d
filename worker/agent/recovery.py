"""Recovers the runs of agents that died here: delivers their records, returns their leases, removes their folders."""

from __future__ import annotations

import logging
from pathlib import Path

from keepbest.client.client import Client
from keepbest.contract.runs import RunError
from keepbest.contract.workers import Release
from keepbest.errors import KeepbestError
from keepbest.status import StopReason
from worker.agent.flush import Wait, deliver, drain
from worker.child_process import end_orphans
from worker.run_folder import RunFolder

_log = logging.getLogger("keepbest.worker")


def sweep(root: Path, client: Client, wait: Wait) -> int:
    """Finish every run folder below `root` that no living agent has locked; return their number."""
    folders = [RunFolder(path) for path in sorted(root.glob("*/")) if not path.is_symlink()]
    return sum(_finish(folder, client, wait) for folder in folders)


def _finish(folder: RunFolder, client: Client, wait: Wait) -> bool:
    if not folder.try_lock():
        return False
    mark = folder.find_mark()
    if mark and (orphans := end_orphans(mark)):
        _log.warning("Ended %d processes that an earlier training had left behind.", orphans)
    try:
        job = folder.get_job()
    except KeepbestError as error:
        return _finish_unknown(folder, client, error)
    _log.info("A worker that ended left run %s here: reporting it to the tracker.", job.run_id)
    if deliver(client, folder, job, folder.find_outcome() or _abandoned(), wait):
        folder.remove()
    folder.unlock()
    return True


def _finish_unknown(folder: RunFolder, client: Client, error: KeepbestError) -> bool:
    """Send the journals of a folder without a job, and remove the folder; it stays while the tracker is away."""
    _log.warning("Removing a folder without a job: %s", error.message)
    try:
        drain(client, folder)
    except KeepbestError as away:
        _log.warning("The folder stays for now: %s", away.message)
        folder.unlock()
    else:
        folder.remove()
    return True


def _abandoned() -> Release:
    message = "The worker ended in the middle of the training."
    error = RunError(code=StopReason.WORKER_LOST.value, message=message, hint="Look at the worker's own log.")
    return Release(outcome="crashed", stop_reason=StopReason.WORKER_LOST, stop_message=message, error=error)
