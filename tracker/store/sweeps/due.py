"""The sweeps that have something to do now. The scheduler asks each second, so this counts and reads no runs."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection

from keepbest.contract.sweeps import SweepCounts
from keepbest.stopping import Mode
from tracker.store.sweeps import promotions, rungs, sweeps
from tracker.store.sweeps.promotions import Promotable
from tracker.store.sweeps.sweeps import SweepRow


@dataclass(frozen=True)
class Due:
    """A sweep as one moment saw it: `free` places, how many runs it still `lacks`, and who may have places."""

    id: str
    counts: SweepCounts
    free: int
    lacks: int
    promotable: tuple[Promotable, ...] = ()

    @property
    def active(self) -> int:
        return self.counts.queued + self.counts.training

    @property
    def is_now(self) -> bool:
        """Whether there is anything to do: a place to give, or an end."""
        return bool(self.promotable) or (self.free > 0 if self.lacks else self.active == 0)


def list_due(conn: Connection) -> list[Due]:
    """Return the sweeps with a free place that somebody may have, and those that have nothing left to do."""
    rows = sweeps.list_living(conn)
    counts = sweeps.count_runs(conn, [row.pk for row in rows])
    return [due for row in rows if (due := find_due(conn, row, counts[row.pk])).is_now]


def find_due(conn: Connection, row: SweepRow, counts: SweepCounts) -> Due:
    """Return what a sweep lacks."""
    spec = sweeps.read_spec(row)
    free = max(spec.at_once - counts.queued - counts.training, 0)
    halving = rungs.find_halving(spec.run.stopper) if counts.paused and free else None
    promotables: list[Promotable] = []
    if halving is not None:
        mode: Mode = rungs.direction_of(sweeps.resolve_mode(conn, row, spec))
        promotables = promotions.list_promotable(conn, row.pk, halving, mode, free)
    return Due(row.id, counts, free, max((spec.runs or 0) - counts.made, 0), tuple(promotables))
