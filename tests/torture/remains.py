"""What may be left when no run is trained any more: no process, no file that nobody needs, no byte that differs."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta

from keepbest.checkpoint import Store
from keepbest.checkpoint.upkeep.fsck import check
from keepbest.checkpoint.upkeep.gc import collect
from keepbest.contract.checkpoints import CheckpointState
from tests.torture.house import POLL_SECONDS, House

SETTLE_SECONDS = 30.0


def find_remains(house: House, runs: Sequence[str]) -> Iterator[str]:
    """Yield what is left of these runs, which have ended, beside their checkpoints."""
    _settle(house)
    yield from (f"still running: {left}" for left in house.processes_left())
    yield from (f"left at the workers: {path.name}" for path in (house.service / "worker").iterdir())
    yield from (f"left in the folder: {path}" for path in house.service.glob(".*"))
    yield from _check_store(house, runs)


def _settle(house: House) -> None:
    """Give the workers time to take away what they worked with: they release the run first."""
    work, until = house.service / "worker", time.monotonic() + SETTLE_SECONDS
    while time.monotonic() < until and (any(work.iterdir()) or any(house.processes_left())):
        house.mend()
        time.sleep(POLL_SECONDS)


def _check_store(house: House, runs: Sequence[str]) -> Iterator[str]:
    """After sweep and collection the store holds what the tracker knows, whole, and nothing else."""
    folder, now = Store(house.service / "store").folder, datetime.now(UTC)
    folder.sweep()
    collect(folder, now=now, trash_age=timedelta(0), grace=timedelta(0))
    known = {
        (run, one.id)
        for run in runs
        for one in house.ask(lambda client, run=run: client.checkpoints(run)).checkpoints  # type: ignore[misc]
        if one.state is CheckpointState.DURABLE
    }
    for found in check(folder, known).findings:
        yield f"fsck: {found.kind} {found.path}: {found.what}"
    for run in runs:
        unknown = [id for id in folder.checkpoints(run) if (run, id) not in known]
        yield from (f"the tracker does not know checkpoint {id} of run {run}" for id in unknown)
