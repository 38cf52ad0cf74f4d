"""Sends the journal that a dead script left on this machine, and gives its lease back.

A killed script holds its run until the lease ends, for minutes. Its journal names the lease, and an unlocked journal
proves that the process is dead. So another process can continue the run at once.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from keepbest.contract.runs import Run
from keepbest.contract.workers import Release
from keepbest.errors import Busy, Conflict, InvalidInput, LeaseLost
from keepbest.journal.delivery import send_all
from keepbest.journal.journal import BatchClient, Journal

_LEAVING = "leaving"


class ReclaimClient(BatchClient, Protocol):
    """The part of `keepbest.client.client.Client` that gives a lease back."""

    def release(self, run: str, lease: str, release: Release) -> Run: ...


def reclaim(folder: Path, run: str, client: ReclaimClient, wait: Callable[[Conflict], object]) -> None:
    """Give back the leases of dead processes of `run` that have a journal below `folder`.

    While such a process is about to end, calls `wait` again and again. Raises Conflict if one of the processes lives,
    and the errors of `wait` and the client.
    """
    for path in sorted(folder.glob("*/writer.json")):
        while _run_of(path) == run:
            try:
                _give_back(path.parent, run, client)
                break
            except Conflict as error:
                if not (path.parent / _LEAVING).exists():
                    raise
                wait(error)


def mark_leaving(journal: Path) -> None:
    """Leave a file beside the journal of this process: it is about to end."""
    with suppress(OSError):
        (journal / _LEAVING).touch(mode=0o600)


def _run_of(path: Path) -> str | None:
    with suppress(OSError, ValueError, KeyError, TypeError):
        return str(json.loads(path.read_text(encoding="utf-8"))["run"])
    return None


def _give_back(folder: Path, run: str, client: ReclaimClient) -> None:
    try:
        journal = Journal.open(folder)
    except Busy as error:
        raise Conflict(
            f"Another script on this machine trains run {run} now.",
            field="id",
            hint="Wait for the end of that script, or begin a new run, without an id.",
        ) from error
    except (OSError, InvalidInput):
        return
    try:
        send_all(journal, client)
        with suppress(LeaseLost):  # the lease ended meanwhile
            client.release(run, journal.about.lease, Release(outcome="handed_back", stop_message="Its script died."))
    except LeaseLost:
        return  # another process went on with the run; `sync` reports the rest
    finally:
        journal.close()
