"""Segments: the stretches of a run, and which of its history is on the living path."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row

from keepbest.contract.batches import SegmentOpened
from keepbest.contract.runs import Segment
from tracker.store.leases import Standing
from tracker.store.runs import RunRow


@dataclass(frozen=True, slots=True)
class LivingPath:
    """The last living step of each segment on the path (None: no end yet); all else is a ghost."""

    ends: dict[int, int | None]

    def is_ghost(self, segment: int, step: int) -> bool: ...


def open_segment(conn: Connection, run: RunRow, opened: SegmentOpened, standing: Standing) -> bool:
    """Take a segment that a trainer opened; the first one under a lease makes the run `running`.

    The same segment again is taken once. A late one (the lease has ended) is refused with False as soon as a newer
    lease was granted: its number may be the newer trainer's.
    """
    raise NotImplementedError


def opened_by(conn: Connection, run_pk: int, attempt: int) -> set[int]:
    """Return the numbers of the segments that this attempt opened: its records may belong to no other."""
    raise NotImplementedError


def read_path(conn: Connection, run_pk: int) -> LivingPath:
    raise NotImplementedError


def list_segments(conn: Connection, run_pk: int) -> list[Segment]:
    raise NotImplementedError


def living_path(segments: Iterable[Segment | Row[Any]]) -> LivingPath:
    raise NotImplementedError


def is_ghost(segments: Iterable[Segment | Row[Any]], segment: int, step: int) -> bool:
    """Whether this step of this segment lies on an abandoned tail."""
    return living_path(segments).is_ghost(segment, step)
