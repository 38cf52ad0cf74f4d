"""Judging: the values of an imported run's monitor become validations, each judged in the shadow.

They are judged in order of segment and time once all points are there, so that each validation shows the other metrics
of its step whatever the order in which the source keeps them. A piece at a time: what is read is judged with no
transaction open, and is written only if nobody else was faster.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import numpy as np
from sqlalchemy import Connection, func, select, update

from keepbest.contract.base import new_id
from keepbest.contract.batches import Batch, ReportedValidation
from keepbest.stopping import build
from tracker.models import ImportTable, MetricChunkTable, MetricSummaryTable, ReportedRunTable, RunTable
from tracker.store import run_summary, runs, segments, validations
from tracker.store.metrics import chunks
from tracker.store.metrics.chunks import PointColumns
from tracker.store.reported import shadow
from tracker.store.reported.points import ReportedPoint
from tracker.store.reported.shadow import Judged
from tracker.store.runs import RunRow

#: Validations of one piece, and of one run.
PIECE, MAX_JUDGED = 5000, 100_000
#: Points of other metrics that one piece reads, at most so many of each to one of the monitor.
MAX_BESIDE_POINTS, BESIDE_RATIO = 2_000_000, 20


@dataclass(frozen=True, slots=True)
class History:
    """The points of a metric with the segment of each, in order of segment and time."""

    points: PointColumns
    segments: chunks.Steps

    def __len__(self) -> int:
        return len(self.points)


@dataclass(frozen=True, slots=True)
class JudgingPiece:
    """What is to be judged next: the values of the monitor from `start` to `end`, and the other metrics."""

    key: str
    judged: Judged
    last: Sequence[Any] | None
    mark: Sequence[Any] | None
    monitor: History
    start: int
    end: int
    others: Mapping[str, History]


@dataclass(frozen=True, slots=True)
class JudgedPiece:
    """The validations of a piece, the state of the stopper after them, and the mark up to which the run is judged."""

    taken: list[ReportedValidation] = field(default_factory=list)
    state: Mapping[str, Any] = field(default_factory=dict)
    last: Sequence[Any] | None = None
    mark: Sequence[Any] | None = None


def settle_monitor(conn: Connection, run: RunRow, now: datetime) -> str | None:
    """Settle what an imported run watches, and where its segments begin; return the monitor, or None."""
    keys = dict.fromkeys(conn.execute(_list_keys(run.pk)).scalars())
    monitor = shadow.choose_key(run, keys)
    if monitor is None or (run.judged_key is None and not shadow.settle(conn, run, monitor, now)):
        return None
    _place_segments(conn, run.pk, monitor)
    return monitor


def read_piece(conn: Connection, run: RunRow, monitor: str) -> JudgingPiece | None:
    """Return what is to be judged next; None where nothing is left."""
    table = ReportedRunTable
    own = conn.execute(select(table.stopper_state, table.judged).where(table.run_pk == run.pk)).one()
    mark = _read_mark(conn, run.pk)
    history = read_history(conn, run.pk, monitor)
    start = count_judged(history, mark)
    end = min(start + PIECE, len(history), MAX_JUDGED)
    if end <= start:
        return None
    row = runs.get_by_pk(conn, run.pk)
    policy = build(row.spec["stopper"], row.mode)
    state = own.stopper_state or policy.start()
    judged = Judged(row, policy, state, (), row.last_validation_step if mark else None)
    others = dict(_read_others(conn, run.pk, monitor, len(history)))
    return JudgingPiece(monitor, judged, own.judged, mark, history, start, end, others)


def judge_piece(piece: JudgingPiece) -> JudgedPiece:
    """Judge a piece. Pure."""
    judged = piece.judged
    state, last, before = judged.state, piece.last, judged.before
    segment = piece.mark[0] if piece.mark else 0
    taken = list[ReportedValidation]()
    beside = _find_beside(piece)
    for place, (point, own) in enumerate(_list_values(piece)):
        if own != segment:
            is_back = before is not None and point.step <= before
            state = judged.policy.restart_patience(state, point.step) if is_back else state
            segment, before, last = own, None, None
        at = shadow.place_of(point)
        if at == last:  # the same value may have been sent twice
            continue
        step = point.step if before is None else max(point.step, before + 1)
        state, validation = shadow.observe(judged, state, point, step, beside[place], segment)
        taken.append(validation)
        before, last = step, at
    return JudgedPiece(taken, state, last, _make_mark(piece.monitor, piece.end))


def record(conn: Connection, run: RunRow, piece: JudgingPiece, verdicts: JudgedPiece, now: datetime) -> None:
    """Write the verdicts, unless another request has judged the same meanwhile; the run is locked."""
    if _read_mark(conn, run.pk) != piece.mark:
        return
    validations.add_validations(conn, run.pk, verdicts.taken)
    if verdicts.taken:
        batch = Batch(writer=new_id(), number=1, validations=verdicts.taken)
        run_summary.update_run(conn, runs.get_by_pk(conn, run.pk), [], batch, now)
    conn.execute(update(RunTable).where(RunTable.pk == run.pk).values(step=run.step))
    own = update(ReportedRunTable).where(ReportedRunTable.run_pk == run.pk)
    conn.execute(own.values(stopper_state=dict(verdicts.state), judged=verdicts.last))
    conn.execute(update(ImportTable).where(ImportTable.run_pk == run.pk).values(judged=verdicts.mark))


def count_left(conn: Connection, run_pk: int, monitor: str) -> tuple[int, int]:
    """Return how many values of the monitor are to be judged yet, and how many are too many for any run."""
    history = read_history(conn, run_pk, monitor)
    done = count_judged(history, _read_mark(conn, run_pk))
    return max(0, min(len(history), MAX_JUDGED) - done), max(0, len(history) - max(MAX_JUDGED, done))


def read_history(conn: Connection, run_pk: int, key: str) -> History:
    """Return all points of a metric, in order of segment and time; of equal ones, in order of arrival."""
    table = MetricChunkTable
    query = select(table.segment, table.count.label("points"), table.encoding, table.data)
    rows = conn.execute(query.where(table.run_pk == run_pk, table.key == key).order_by(table.segment, table.pk)).all()
    points = chunks.join([chunks.decode(row.data, row.encoding, row.points) for row in rows])
    own = np.repeat(np.array([row.segment for row in rows], np.int64), [row.points for row in rows])
    order = np.lexsort((points.times, own))
    return History(points.take(order), own[order])


def count_judged(history: History, mark: Sequence[Any] | None) -> int:
    """Return how many points of the monitor's history are judged already."""
    if mark is None:
        return 0
    segment, time, same = mark
    times = history.points.times
    before = (history.segments < segment) | ((history.segments == segment) & (times < time))
    return int(before.sum()) + int(same)


def _make_mark(history: History, end: int) -> Sequence[Any]:
    segment, time = int(history.segments[end - 1]), float(history.points.times[end - 1])
    same = (history.segments[:end] == segment) & (history.points.times[:end] == time)
    return [segment, time, int(same.sum())]


def _read_mark(conn: Connection, run_pk: int) -> Sequence[Any] | None:
    mark: Sequence[Any] | None = conn.execute(select(ImportTable.judged).where(ImportTable.run_pk == run_pk)).scalar()
    return mark


def _list_values(piece: JudgingPiece) -> Iterator[tuple[ReportedPoint, int]]:
    chosen = slice(piece.start, piece.end)
    points, key = piece.monitor.points.take(chosen), piece.key
    columns = (points.steps.tolist(), points.values.tolist(), points.times.tolist())
    for step, value, time, segment in zip(*columns, piece.monitor.segments[chosen].tolist(), strict=True):
        yield ReportedPoint(key, value, step, time), segment


def _find_beside(piece: JudgingPiece) -> list[dict[str, float]]:
    """Return for each value of the piece what the other metrics say last at its step, in its segment."""
    chosen = slice(piece.start, piece.end)
    wanted = _join(piece.monitor.segments[chosen], piece.monitor.points.steps[chosen])
    beside: list[dict[str, float]] = [{} for _ in wanted]
    for key, other in piece.others.items():
        known = _join(other.segments, other.points.steps)
        order = np.argsort(known, kind="stable")
        ordered = known[order]
        places = np.searchsorted(ordered, wanted, side="right") - 1
        for at in np.flatnonzero((places >= 0) & (ordered[places] == wanted)).tolist():
            beside[at][key] = float(other.points.values[order[places[at]]])
    return beside


def _join(own: chunks.Steps, steps: chunks.Steps) -> Any:
    """Return segment and step as one number each: steps go up to 2^53, segments to 1,000."""
    return own.astype(np.int64) * 2**53 + steps


def _read_others(conn: Connection, run_pk: int, monitor: str, count: int) -> Iterator[tuple[str, History]]:
    table = MetricSummaryTable
    query = select(table.key, table.count.label("points")).where(table.run_pk == run_pk, table.key != monitor)
    fits = query.where(table.count <= BESIDE_RATIO * max(count, 1)).order_by(table.count, table.key)
    left = MAX_BESIDE_POINTS
    for row in conn.execute(fits.limit(shadow.MAX_BESIDE)).all():
        left -= row.points
        if left < 0:
            return
        yield row.key, read_history(conn, run_pk, row.key)


def _place_segments(conn: Connection, run_pk: int, monitor: str) -> None:
    """Have each segment begin before the monitor's first step in it: what came later before that is a ghost."""
    table = MetricChunkTable
    ranges = select(table.segment, func.min(table.first_step).label("first"), func.max(table.last_step).label("last"))
    own = ranges.where(table.run_pk == run_pk, table.key == monitor).group_by(table.segment)
    known = {row.segment: row for row in conn.execute(own)}
    starts, start, newest = dict[int, int](), 0, 0
    for segment in segments.list_segments(conn, run_pk):
        if segment.number and segment.number in known:
            newest, start = known[segment.number].last, max(start, min(newest, known[segment.number].first - 1))
        elif segment.number:
            start = max(start, newest)
        elif segment.number in known:
            newest = known[segment.number].last
        if segment.number and segment.start_step != start:
            starts[segment.number] = start
    segments.move_starts(conn, run_pk, starts)


def _list_keys(run_pk: int) -> Any:
    return select(MetricSummaryTable.key).where(MetricSummaryTable.run_pk == run_pk).order_by(MetricSummaryTable.key)
