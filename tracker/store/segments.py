"""Segments: the stretches of a run's history, and the living path through them.

A run's history is a tree: each resume or roll back opens a segment that branches off an earlier one. The living path
leads from the newest segment back to a start. Other segments, and steps after the path has left a segment, are ghosts:
stored and shown, but never counted.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from sqlalchemy import Connection, func, insert, select, update

from keepbest.contract.batches import SegmentOpened
from keepbest.contract.runs import Segment
from keepbest.errors import Conflict, InvalidInput
from keepbest.status import RunState
from tracker.models import RunTable, SegmentTable
from tracker.store import events, runs
from tracker.store.leases import LeaseValidity
from tracker.store.runs import RunRow


class PathSegment(Protocol):
    """A segment for `living_path`: a row of the table, or a segment of the contract."""

    @property
    def number(self) -> int: ...
    @property
    def parent(self) -> int | None: ...
    @property
    def start_step(self) -> int: ...


@dataclass(frozen=True, slots=True)
class LivingPath:
    """The last living step of each segment on the path; None where the path has not left the segment."""

    ends: dict[int, int | None]

    def is_ghost(self, segment: int, step: int) -> bool:
        """Whether this step of this segment is on an abandoned branch."""
        if not self.ends:
            return False  # nobody trains this fork yet
        if segment not in self.ends:
            return True
        end = self.ends[segment]
        return end is not None and step > end


def living_path(segments: Iterable[PathSegment]) -> LivingPath:
    """Return the path from the newest segment back to the start."""
    known = {segment.number: segment for segment in segments}
    ends: dict[int, int | None] = {}
    at, end = max(known, default=None), None
    while at is not None and at in known and at not in ends:
        ends[at] = end
        end, at = known[at].start_step, known[at].parent
    return LivingPath(ends)


def list_segments(conn: Connection, run_pk: int) -> list[Segment]:
    """Return a run's segments in the order they were opened."""
    rows = conn.execute(
        select(*SegmentTable.__table__.columns).where(SegmentTable.run_pk == run_pk).order_by(SegmentTable.number)
    )
    return [Segment.model_validate(row._asdict()) for row in rows]


def read_path(conn: Connection, run_pk: int) -> LivingPath:
    """Return the living path of a run."""
    return read_paths(conn, [run_pk])[run_pk]


def read_paths(conn: Connection, run_pks: Sequence[int]) -> dict[int, LivingPath]:
    """Return the living path of each of these runs."""
    table = SegmentTable
    columns = select(table.run_pk, table.number, table.parent, table.start_step)
    rows: dict[int, list[PathSegment]] = {run_pk: [] for run_pk in run_pks}
    for row in conn.execute(columns.where(table.run_pk.in_(run_pks))):
        rows[row.run_pk].append(row)
    return {run_pk: living_path(own) for run_pk, own in rows.items()}


def next_number(conn: Connection, run_pk: int) -> int:
    """Return the number for the next trainer's first segment."""
    highest = conn.execute(select(func.max(SegmentTable.number)).where(SegmentTable.run_pk == run_pk)).scalar()
    return 0 if highest is None else highest + 1


def opened_by(conn: Connection, run_pk: int, attempt: int) -> set[int]:
    """Return the numbers of the segments that this attempt opened; its records must belong to them."""
    query = select(SegmentTable.number).where(SegmentTable.run_pk == run_pk, SegmentTable.attempt == attempt)
    return set(conn.execute(query).scalars())


def open_segment(conn: Connection, run: RunRow, opened: SegmentOpened, validity: LeaseValidity) -> bool:
    """Add a segment that a trainer opened, and return whether it is new; the first under a lease sets the run running.

    A segment whose lease has ended is left out once a newer lease was granted or the ended run was resumed, because
    the newer trainer may use its number.
    """
    if not validity.is_current and (run.attempt != validity.attempt or validity.attempt <= run.attempts_before):
        return False
    known = list_segments(conn, run.pk)
    if _is_known(run, known, opened, validity.attempt):
        return False
    _check_parent(run, known, opened)
    values = opened.model_dump(exclude={"at"}) | {"attempt": validity.attempt, "opened_at": opened.at}
    conn.execute(insert(SegmentTable).values(run_pk=run.pk, branched_step=None, **values))
    _mark_branches(conn, run.pk)
    if validity.is_current:
        _begin(conn, run, opened)
    told = {"segment": opened.number, "step": opened.start_step, "reason": opened.reason}
    events.append(conn, "run.segment", run, told, opened.at)
    return True


def move_starts(conn: Connection, run_pk: int, starts: Mapping[int, int]) -> None:
    """Have segments begin at other steps, and mark anew where the living path leaves each."""
    for number, step in starts.items():
        row = (SegmentTable.run_pk == run_pk) & (SegmentTable.number == number)
        conn.execute(update(SegmentTable).where(row).values(start_step=step))
    if starts:
        _mark_branches(conn, run_pk)


def _is_known(run: RunRow, known: Sequence[Segment], opened: SegmentOpened, attempt: int) -> bool:
    result = next((segment for segment in known if segment.number == opened.number), None)
    if result is None:
        return False
    pair = (opened.parent, opened.reason, opened.start_step, attempt)
    if (result.parent, result.reason, result.start_step, result.attempt) == pair:
        return True
    raise Conflict(f"Run {run.id} has another segment {opened.number} already.", field="segments.number")


def _check_parent(run: RunRow, known: Sequence[Segment], opened: SegmentOpened) -> None:
    parents = {segment.number: segment for segment in known}
    if opened.parent is None:
        return
    if opened.parent not in parents or opened.parent >= opened.number:
        raise InvalidInput(f"Run {run.id} has no segment {opened.parent} to branch from.", field="segments.parent")
    if parents[opened.parent].parent is None:
        return  # a fork's copy of the best may be older than the fork's start
    if opened.start_step < parents[opened.parent].start_step:
        raise InvalidInput(
            f"Segment {opened.parent} begins at step {parents[opened.parent].start_step:,}: "
            f"nothing branches off it at step {opened.start_step:,}.",
            field="segments.start_step",
        )


def _mark_branches(conn: Connection, run_pk: int) -> None:
    """Set each segment's `branched_step` as the living path now goes; an abandoned segment gets its own start."""
    known = list_segments(conn, run_pk)
    path = living_path(known)
    for segment in known:
        branched = path.ends.get(segment.number, segment.start_step)
        if branched != segment.branched_step:
            row = (SegmentTable.run_pk == run_pk) & (SegmentTable.number == segment.number)
            conn.execute(update(SegmentTable).where(row).values(branched_step=branched))


def _begin(conn: Connection, run: RunRow, opened: SegmentOpened) -> None:
    where: dict[str, Any] = {"segment": opened.number, "step": opened.start_step}
    if run.state == RunState.LEASED:
        runs.move_run(conn, run, RunState.RUNNING, now=opened.at, **where)
    else:
        conn.execute(update(RunTable).where(RunTable.pk == run.pk).values(**where))
