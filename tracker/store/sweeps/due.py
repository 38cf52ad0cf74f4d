"""Finds the sweeps that are due. The scheduler asks each second, so this counts in indexes and reads no runs."""

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
    """What a sweep needs at one moment: its `free` places, the runs it `lacks`, the runs that may be promoted."""

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
        """Whether a free place can be filled, or the sweep can end."""
        return bool(self.promotable) or (self.free > 0 if self.lacks else self.active == 0)


def list_due(conn: Connection) -> list[Due]:
    """Return the sweeps with a place to fill, and those that can end."""
    rows = sweeps.list_living(conn)
    counts = sweeps.count_runs(conn, [row.pk for row in rows])
    return [due for row in rows if (due := find_due(conn, row, counts[row.pk])).is_now]


def find_due(conn: Connection, row: SweepRow, counts: SweepCounts) -> Due:
    """Return what a sweep needs now."""
    spec = sweeps.read_spec(row)
    free = max(spec.at_once - counts.queued - counts.training, 0)
    halving = rungs.find_halving(spec.run.stopper) if counts.paused and free else None
    promotables: list[Promotable] = []
    if halving is not None:
        mode: Mode = rungs.direction_of(sweeps.resolve_mode(conn, row, spec))
        promotables = promotions.list_promotable(conn, row.pk, halving, mode, free)
    return Due(row.id, counts, free, max((spec.runs or 0) - counts.made, 0), tuple(promotables))
