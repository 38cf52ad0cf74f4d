"""Curves: the points of metrics, thinned, of many runs and keys with few statements.

A curve reads chunks in two ways: the points themselves where they are few, envelopes (`store.chunks`) where they are
many. Either way the lowest, the highest, the first, the last, the best and what is not finite stay.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, false, or_, select

from keepbest.contract import validations as contract
from keepbest.errors import TooLarge
from tracker.models import MetricChunkTable
from tracker.store.metrics import chunks
from tracker.store.metrics.chunks import PointColumns
from tracker.store.metrics.pieces import Piece, clip, split, thin_pieces
from tracker.store.segments import LivingPath

#: Rows of blobs fetched with one statement.
_FETCH = 500
#: Conditions joined by OR: SQLite takes no more than 1,000 of them.
_MAX_ARMS = 100
#: Points that one request reads: some seconds of one core.
MAX_READ = 20_000_000


@dataclass(frozen=True, slots=True)
class Window:
    """What part of the curves is asked for, in how many points each."""

    first_step: int | None = None
    last_step: int | None = None
    max_points: int = 2000


@dataclass(frozen=True, slots=True)
class Line:
    """One metric of one run; `keep` is a step that must not be thinned away, only steps behind `after` are read.

    With `reaches_to`, the points from that step on are read, and the last one at or before it, of each segment.
    """

    run_pk: int
    key: str
    path: LivingPath
    keep: int | None = None
    after: int | None = None
    reaches_to: int | None = None


@dataclass(slots=True)
class Budget:
    """The points that one request may still read."""

    left: int = field(default_factory=lambda: MAX_READ)

    def take(self, points: int) -> None:
        """Count points that will be read; raises TooLarge where they are too many."""
        if points > self.left:
            hint = "Ask for fewer runs or metrics, or for fewer steps: from and to."
            read = MAX_READ - self.left + points
            raise TooLarge(f"These curves read {read:,} points; one request reads {MAX_READ:,} at most.", hint=hint)
        self.left -= points


@dataclass(frozen=True, slots=True)
class LinePoints:
    """What was read of a line; `total` counts the points before thinning, of the steps and branches asked for.

    `is_whole` says that no steps were left out.
    """

    line: Line
    total: int
    pieces: list[Piece]
    is_whole: bool = True

    @property
    def has_one_step(self) -> bool:
        """Whether several points stand at one step: of a metric that was logged without one, again and again."""
        ends = {int(piece.points.steps[end]) for piece in self.pieces for end in (0, -1)}
        return self.is_whole and self.total > 1 and len(ends) == 1


@dataclass(frozen=True, slots=True)
class _Plan:
    """The chunks of a line, in the order in which they arrived; of those in `wide` the envelope is read."""

    line: Line
    window: Window
    rows: Sequence[Any]
    wide: frozenset[int]


def read_curve(conn: Connection, line: Line, window: Window) -> contract.Curve:
    """Return one metric, thinned, in pieces that are each wholly alive or wholly a ghost."""
    read = next(read_lines(conn, [line], window), LinePoints(line, 0, []))
    returned = sum(len(piece.points) for piece in read.pieces)
    pieces = [_show_piece(piece) for piece in read.pieces]
    return contract.Curve(
        key=line.key, total=read.total, returned=returned, pieces=pieces, is_counted=read.has_one_step
    )


def read_lines(
    conn: Connection, lines: Sequence[Line], window: Window, *, ghosts: bool = True, budget: Budget | None = None
) -> Iterator[LinePoints]:
    """Yield the points of each line that has some, in the order of the lines.

    Raises TooLarge where more points would be read than the request's `budget` has left.
    """
    plans = _plan(conn, lines, window, ghosts)
    (budget or Budget()).take(sum(row.points for plan in plans for row in plan.rows if row.pk not in plan.wide))
    for some in _batches(plans):
        envelopes = _fetch(conn, MetricChunkTable.envelope, (pk for plan in some for pk in plan.wide))
        points = (row.pk for plan in some for row in plan.rows if row.pk not in plan.wide)
        data = _fetch(conn, MetricChunkTable.data, points)
        for plan in some:
            yield _read_plan(plan, envelopes, data, ghosts)


def _read_plan(plan: _Plan, envelopes: dict[int, bytes], data: dict[int, bytes], ghosts: bool) -> LinePoints:
    parts: dict[int, list[PointColumns]] = {}
    left_out = 0
    for row in plan.rows:
        if row.pk in plan.wide:
            points = chunks.read_envelope(envelopes[row.pk])
            left_out += row.points - len(points)
        else:
            points = chunks.decode(data[row.pk], row.encoding, row.points)
        parts.setdefault(row.segment, []).append(points)
    window, path = plan.window, plan.line.path
    whole = [
        piece
        for segment in sorted(parts)
        for piece in split(segment, clip(chunks.join(parts[segment]), window.first_step, window.last_step), path)
        if ghosts or not piece.ghost
    ]
    total = left_out + sum(len(piece.points) for piece in whole)
    is_whole = plan.line.after is None and window.first_step is None and window.last_step is None
    return LinePoints(plan.line, total, thin_pieces(whole, window.max_points, plan.line.keep), is_whole)


# Which chunks


def _plan(conn: Connection, lines: Sequence[Line], window: Window, ghosts: bool) -> list[_Plan]:
    rows: dict[tuple[int, str], list[Any]] = {}
    for row in _find_chunks(conn, lines, window):
        rows.setdefault((row.run_pk, row.key), []).append(row)
    every = [_plan_line(line, rows.get((line.run_pk, line.key), []), window, ghosts) for line in lines]
    return [plan for plan in every if plan.rows]


def _plan_line(line: Line, rows: Sequence[Any], window: Window, ghosts: bool) -> _Plan:
    if line.after is not None:
        window = replace(window, first_step=max(line.after + 1, window.first_step or 0))
        rows = [row for row in rows if row.last_step > line.after]
    if line.reaches_to is not None:
        rows = _reach_back(rows, line.path, line.reaches_to)
    if not ghosts:
        rows = [row for row in rows if not line.path.is_ghost(row.segment, row.first_step)]
    wide = frozenset(row.pk for row in rows if row.has_envelope and _is_wide(row, line, window, ghosts))
    # Envelopes are enough where these alone are as many points as are asked for.
    is_enough = len(wide) * 2 * chunks.BUCKETS >= window.max_points
    return _Plan(line, window, rows, wide if is_enough else frozenset())


def _reach_back(rows: Sequence[Any], path: LivingPath, step: int) -> list[Any]:
    """Return the chunks of each segment that may hold its last points at or before a step, or later points."""
    starts: dict[tuple[int, bool], int] = {}
    for row in rows:
        if row.first_step <= step:
            branch = row.segment, path.is_ghost(row.segment, row.first_step)
            starts[branch] = max(row.first_step, starts.get(branch, 0))
    first = {segment: min(starts.get((segment, is_ghost), step) for is_ghost in (True, False)) for segment, _ in starts}
    return [row for row in rows if row.last_step >= first.get(row.segment, step)]


def _find_chunks(conn: Connection, lines: Sequence[Line], window: Window) -> Sequence[Any]:
    """Return the chunks in the window, without their bytes, in the order in which they arrived."""
    table = MetricChunkTable
    has_envelope = table.envelope.is_not(None).label("has_envelope")
    columns = (
        table.pk,
        table.run_pk,
        table.key,
        table.segment,
        table.first_step,
        table.last_step,
        table.count.label("points"),
        table.encoding,
        has_envelope,
    )
    query = select(*columns).where(_are_meant(lines))
    if window.first_step is not None:
        query = query.where(table.last_step >= window.first_step)
    if window.last_step is not None:
        query = query.where(table.first_step <= window.last_step)
    return conn.execute(query.order_by(table.pk)).all()


def _are_meant(lines: Sequence[Line]) -> ColumnElement[bool]:
    """Whether a chunk is one of a line: one condition for all lines of the same metrics that begin at the same step.

    With many different steps one condition admits more chunks than are meant; `_plan_line` leaves them out.
    """
    wanted: dict[tuple[int, int | None], list[str]] = {}
    for line in lines:
        wanted.setdefault((line.run_pk, line.after), []).append(line.key)
    together: dict[tuple[int | None, tuple[str, ...]], list[int]] = {}
    for (run_pk, after), keys in wanted.items():
        together.setdefault((after, tuple(keys)), []).append(run_pk)
    if len(together) > _MAX_ARMS:
        every = tuple({line.key for line in lines})
        together = {(None, every): [line.run_pk for line in lines]}
    return or_(false(), *(_is_of(pks, keys, after) for (after, keys), pks in together.items()))


def _is_of(run_pks: Sequence[int], keys: Sequence[str], after: int | None) -> ColumnElement[bool]:
    table = MetricChunkTable
    newer = [] if after is None else [table.last_step > after]
    return and_(table.run_pk.in_(set(run_pks)), table.key.in_(keys), *newer)


def _is_wide(row: Any, line: Line, window: Window, ghosts: bool) -> bool:
    """Whether a chunk's envelope is enough: all of the chunk is asked for, and no single point of it."""
    starts = window.first_step is None or row.first_step >= window.first_step
    ends = window.last_step is None or row.last_step <= window.last_step
    is_kept_whole = line.keep is None or not row.first_step <= line.keep <= row.last_step
    return starts and ends and is_kept_whole and (ghosts or not line.path.is_ghost(row.segment, row.last_step))


# Their bytes


def _batches(plans: Sequence[_Plan]) -> Iterator[list[_Plan]]:
    """Yield the plans in groups of about as many chunks as one statement fetches."""
    chunks_before, places = 0, []
    for plan in plans:
        places.append(chunks_before // _FETCH)
        chunks_before += len(plan.rows)
    for _, some in groupby(zip(places, plans, strict=True), key=lambda pair: pair[0]):
        yield [plan for _, plan in some]


def _fetch(conn: Connection, column: Any, wanted: Iterable[int]) -> dict[int, bytes]:
    pks = sorted(wanted)
    result: dict[int, bytes] = {}
    for place in range(0, len(pks), _FETCH):
        chosen = MetricChunkTable.pk.in_(pks[place : place + _FETCH])
        result.update((pk, data) for pk, data in conn.execute(select(MetricChunkTable.pk, column).where(chosen)))
    return result


def _show_piece(piece: Piece) -> contract.CurvePiece:
    points = piece.points
    # Made without validation: these lists are ours, and there are thousands of numbers in them.
    return contract.CurvePiece.model_construct(
        segment=piece.segment,
        ghost=piece.ghost,
        steps=points.steps.tolist(),
        values=points.values.tolist(),
        times=points.times.tolist(),
    )
