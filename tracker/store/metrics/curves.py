"""Curves: the points of metrics, thinned, of many runs and keys with few statements.

A curve reads chunks in two ways: the points themselves where they are few, envelopes (`store.chunks`) where they are
many. Either way the lowest, the highest, the first, the last, the best and what is not finite stay.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

import numpy as np
from sqlalchemy import ColumnElement, Connection, and_, false, or_, select

from keepbest.contract import validations as contract
from keepbest.errors import TooLarge
from tracker.models import MetricChunkTable
from tracker.store.metrics import chunks
from tracker.store.metrics.chunks import PointColumns
from tracker.store.metrics.downsample import thin
from tracker.store.segments import LivingPath

#: Rows of blobs fetched with one statement.
_FETCH = 500
#: Points that each piece of a curve keeps, however short its share.
_LEAST = 8
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
    """One metric of one run; `keep` is a step that must not be thinned away, only steps behind `after` are read."""

    run_pk: int
    key: str
    path: LivingPath
    keep: int | None = None
    after: int | None = None


@dataclass(frozen=True, slots=True)
class Piece:
    """Points of one segment, in order of step, that are all alive or all ghosts."""

    segment: int
    ghost: bool
    points: PointColumns


@dataclass(frozen=True, slots=True)
class LinePoints:
    """What was read of a line; `total` counts the points stored, abandoned ones too."""

    line: Line
    total: int
    pieces: list[Piece]


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
    return contract.Curve(key=line.key, total=read.total, returned=returned, pieces=pieces)


def read_lines(conn: Connection, lines: Sequence[Line], window: Window, *, ghosts: bool = True) -> Iterator[LinePoints]:
    """Yield the points of each line that has some, in the order of the lines.

    Raises TooLarge where more than MAX_READ points would be read.
    """
    plans = _plan(conn, lines, window, ghosts)
    for some in _batches(plans):
        envelopes = _fetch(conn, MetricChunkTable.envelope, (pk for plan in some for pk in plan.wide))
        points = (row.pk for plan in some for row in plan.rows if row.pk not in plan.wide)
        data = _fetch(conn, MetricChunkTable.data, points)
        for plan in some:
            yield _read_plan(plan, envelopes, data, ghosts)


def _read_plan(plan: _Plan, envelopes: dict[int, bytes], data: dict[int, bytes], ghosts: bool) -> LinePoints:
    parts: dict[int, list[PointColumns]] = {}
    for row in plan.rows:
        if row.pk in plan.wide:
            points = chunks.read_envelope(envelopes[row.pk])
        else:
            points = chunks.decode(data[row.pk], row.encoding, row.points)
        parts.setdefault(row.segment, []).append(points)
    whole = [
        piece
        for segment in sorted(parts)
        for piece in _split(segment, _clip(chunks.join(parts[segment]).in_order(), plan.window), plan.line.path)
        if ghosts or not piece.ghost
    ]
    pieces = _thin_pieces(whole, plan.window.max_points, plan.line.keep)
    return LinePoints(plan.line, sum(row.points for row in plan.rows), pieces)


# Which chunks


def _plan(conn: Connection, lines: Sequence[Line], window: Window, ghosts: bool) -> list[_Plan]:
    rows: dict[tuple[int, str], list[Any]] = {}
    for row in _find_chunks(conn, lines, window):
        rows.setdefault((row.run_pk, row.key), []).append(row)
    every = [_plan_line(line, rows.get((line.run_pk, line.key), []), window, ghosts) for line in lines]
    plans = [plan for plan in every if plan.rows]
    read = sum(row.points for plan in plans for row in plan.rows if row.pk not in plan.wide)
    if read > MAX_READ:
        hint = "Ask for fewer runs or metrics, or for fewer steps: from and to."
        raise TooLarge(f"These curves read {read:,} points; one request reads {MAX_READ:,} at most.", hint=hint)
    return plans


def _plan_line(line: Line, rows: Sequence[Any], window: Window, ghosts: bool) -> _Plan:
    if line.after is not None:
        window = replace(window, first_step=max(line.after + 1, window.first_step or 0))
        rows = [row for row in rows if row.last_step > line.after]
    if not ghosts:
        rows = [row for row in rows if not line.path.is_ghost(row.segment, row.first_step)]
    wide = frozenset(row.pk for row in rows if row.has_envelope and _lies_within(row, window, line.keep))
    # Envelopes are enough where these alone are as many points as are asked for.
    is_enough = len(wide) * 2 * chunks.BUCKETS >= window.max_points
    return _Plan(line, window, rows, wide if is_enough else frozenset())


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


def _lies_within(row: Any, window: Window, keep: int | None) -> bool:
    """Whether all of a chunk is asked for, and no single point of it."""
    starts = window.first_step is None or row.first_step >= window.first_step
    ends = window.last_step is None or row.last_step <= window.last_step
    return starts and ends and not (keep is not None and row.first_step <= keep <= row.last_step)


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


# Their points


def _clip(points: PointColumns, window: Window) -> PointColumns:
    start = 0 if window.first_step is None else int(np.searchsorted(points.steps, window.first_step))
    end = len(points)
    if window.last_step is not None:
        end = int(np.searchsorted(points.steps, window.last_step, side="right"))
    return points.take(slice(start, end))


def _split(segment: int, points: PointColumns, path: LivingPath) -> list[Piece]:
    """Cut a segment where the living path left it."""
    if segment not in path.ends:
        parts = [Piece(segment, True, points)]
    elif (end := path.ends[segment]) is None:
        parts = [Piece(segment, False, points)]
    else:
        cut = int(np.searchsorted(points.steps, end, side="right"))
        alive, ghost = points.take(slice(None, cut)), points.take(slice(cut, None))
        parts = [Piece(segment, False, alive), Piece(segment, True, ghost)]
    return [part for part in parts if len(part.points)]


def _thin_pieces(pieces: list[Piece], max_points: int, keep: int | None) -> list[Piece]:
    """Give each piece its share of the points asked for, and a few in any case."""
    total = sum(len(piece.points) for piece in pieces)
    if total <= max_points:
        return pieces
    shares = [max(_LEAST, max_points * len(piece.points) // total) for piece in pieces]
    return [_thin_piece(piece, share, keep) for piece, share in zip(pieces, shares, strict=True)]


def _thin_piece(piece: Piece, most: int, keep: int | None) -> Piece:
    points = piece.points
    kept = None if keep is None else np.flatnonzero(points.steps == keep)
    return Piece(piece.segment, piece.ghost, points.take(thin(points.values, most, kept)))


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
