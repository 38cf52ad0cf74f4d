"""What a dead process of a script left on this machine: its record sent, its lease given back.

A killed script holds its run until the lease ends, for minutes. Its journal says under which lease it wrote, and that
nobody holds the journal any more that the process is dead: the run can be taken up again at once.
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
    """As much of `keepbest.client.client.Client` as giving a lease back needs."""

    def release(self, run: str, lease: str, release: Release) -> Run: ...


def reclaim(folder: Path, run: str, client: ReclaimClient, wait: Callable[[Conflict], object]) -> None:
    """Give back what dead processes of `run` hold whose journals lie below `folder`.

    `wait` is called, again and again, while one of them is about to end. Raises Conflict where one of them lives, and
    what `wait` and the client raise.
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
    """Say, beside the journal of this process, that it is about to end."""
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
            f"A script on this machine trains run {run} now.",
            field="id",
            hint="Wait for its end, or give this one a run of its own.",
        ) from error
    except (OSError, InvalidInput):
        return
    try:
        send_all(journal, client)
        with suppress(LeaseLost):  # it ended by itself meanwhile
            client.release(run, journal.about.lease, Release(outcome="handed_back", stop_message="Its script died."))
    except LeaseLost:
        return  # the run went on without it; `sync` tells
    finally:
        journal.close()
