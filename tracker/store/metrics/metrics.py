"""Metrics: columns go in as packed chunks with a summary row a key; curves come out thinned, reading few points.

A curve reads chunks in two ways: the points themselves where they are few, envelopes (`store.chunks`) where they are
many. Either way the lowest, the highest, the first, the last, the best and what is not finite stay.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from sqlalchemy import Connection, case, insert, select

from keepbest.contract import validations as contract
from tracker import db
from tracker.models import MetricChunkTable, MetricSummaryTable
from tracker.store.metrics import chunks
from tracker.store.metrics.chunks import PointColumns
from tracker.store.metrics.downsample import thin
from tracker.store.segments import LivingPath

#: Rows of blobs fetched with one statement.
_FETCH = 500
#: Points that each piece of a curve keeps, however short its share.
_LEAST = 8
#: Built once: building a statement costs more than running it.
_ADD = insert(MetricChunkTable)


@dataclass(frozen=True, slots=True)
class Column:
    """Points of one metric in one segment, as they arrived."""

    segment: int
    key: str
    points: PointColumns


@dataclass(frozen=True, slots=True)
class Window:
    """What part of a curve is asked for, in how many points; `keep` is a step that must not be thinned away."""

    first_step: int | None = None
    last_step: int | None = None
    max_points: int = 2000
    keep: int | None = None


@dataclass(frozen=True, slots=True)
class Piece:
    """Points of one segment, in order of step, that are all alive or all ghosts."""

    segment: int
    ghost: bool
    points: PointColumns


def add_columns(conn: Connection, run_pk: int, columns: Sequence[Column], *, newest: bool) -> None:
    """Store the points and bring the summaries up to date; late ones (not `newest`) leave the last value alone."""
    if not columns:
        return
    conn.execute(_ADD, [_chunk_row(run_pk, column) for column in columns])
    _add_to_summaries(conn, run_pk, columns, newest)


def list_summaries(conn: Connection, run_pk: int) -> list[contract.MetricSummary]:
    """Return what is known of every metric of a run, by name."""
    rows = conn.execute(
        select(*MetricSummaryTable.__table__.columns)
        .where(MetricSummaryTable.run_pk == run_pk)
        .order_by(MetricSummaryTable.key)
    )
    return [contract.MetricSummary.model_validate(row._asdict()) for row in rows]


def read_curve(conn: Connection, run_pk: int, key: str, window: Window, path: LivingPath) -> contract.Curve:
    """Return one metric, thinned, in pieces that are each wholly alive or wholly a ghost."""
    rows = _find_chunks(conn, run_pk, key, window)
    parts = _load(conn, rows, window)
    whole = [
        piece
        for segment in sorted(parts)
        for piece in _split(segment, _clip(chunks.join(parts[segment]).in_order(), window), path)
    ]
    pieces = _thin_pieces(whole, window)
    returned = sum(len(piece.points) for piece in pieces)
    shown = [_show_piece(piece) for piece in pieces]
    return contract.Curve(key=key, total=sum(row.points for row in rows), returned=returned, pieces=shown)


def _chunk_row(run_pk: int, column: Column) -> dict[str, Any]:
    points = column.points
    return {
        "run_pk": run_pk,
        "key": column.key,
        "segment": column.segment,
        "first_step": int(points.steps.min()),
        "last_step": int(points.steps.max()),
        "count": len(points),
        "encoding": chunks.RAW,
        "data": chunks.encode_raw(points),
        "envelope": chunks.make_envelope(points),
    }


# Summaries


def _add_to_summaries(conn: Connection, run_pk: int, columns: Sequence[Column], newest: bool) -> None:
    by_key: dict[str, list[Column]] = {}
    for column in columns:
        by_key.setdefault(column.key, []).append(column)
    # In one order everywhere: two transactions that change the same rows must not wait for each other.
    rows = [_summary_row(run_pk, key, by_key[key]) for key in sorted(by_key)]
    conn.execute(_upsert(conn.dialect.name, newest), rows)


def _summary_row(run_pk: int, key: str, columns: Sequence[Column]) -> dict[str, Any]:
    last = max(columns, key=lambda column: column.segment).points
    points = chunks.join([column.points for column in columns])
    finite = np.isfinite(points.values)
    place = len(last) - 1 - int(last.steps[::-1].argmax())
    row = {
        "run_pk": run_pk,
        "key": key,
        "count": len(points),
        "non_finite": len(points) - int(finite.sum()),
        "first_step": int(points.steps.min()),
        "last_step": int(last.steps[place]),
        "last_value": float(last.values[place]),
    }
    return row | _extremes(points if finite.all() else points.take(finite))


def _extremes(points: PointColumns) -> dict[str, Any]:
    if not len(points):
        return {"min_value": None, "min_step": None, "max_value": None, "max_step": None}
    low, high = int(points.values.argmin()), int(points.values.argmax())
    return {
        "min_value": float(points.values[low]),
        "min_step": int(points.steps[low]),
        "max_value": float(points.values[high]),
        "max_step": int(points.steps[high]),
    }


@cache
def _upsert(dialect: str, newest: bool) -> Any:
    """Build the INSERT that adds a batch's summary to the row that is there; the earlier of equal extremes stays."""
    statement = db.insert(dialect, MetricSummaryTable)
    old, new = MetricSummaryTable, statement.excluded
    lower = (new.min_value < old.min_value) | old.min_value.is_(None)
    higher = (new.max_value > old.max_value) | old.max_value.is_(None)
    changes = {
        "count": old.count + new["count"],
        "non_finite": old.non_finite + new.non_finite,
        "first_step": case((new.first_step < old.first_step, new.first_step), else_=old.first_step),
        "min_value": case((lower, new.min_value), else_=old.min_value),
        "min_step": case((lower, new.min_step), else_=old.min_step),
        "max_value": case((higher, new.max_value), else_=old.max_value),
        "max_step": case((higher, new.max_step), else_=old.max_step),
    }
    if newest:
        changes |= {"last_step": new.last_step, "last_value": new.last_value}
    return statement.on_conflict_do_update(index_elements=["run_pk", "key"], set_=changes)


# Curves


def _find_chunks(conn: Connection, run_pk: int, key: str, window: Window) -> Sequence[Any]:
    """Return the chunks in the window, without their bytes, in the order in which they arrived."""
    table = MetricChunkTable
    has_envelope = table.envelope.is_not(None).label("has_envelope")
    columns = (
        table.pk,
        table.segment,
        table.first_step,
        table.last_step,
        table.count.label("points"),
        table.encoding,
        has_envelope,
    )
    query = select(*columns).where(table.run_pk == run_pk, table.key == key)
    if window.first_step is not None:
        query = query.where(table.last_step >= window.first_step)
    if window.last_step is not None:
        query = query.where(table.first_step <= window.last_step)
    return conn.execute(query.order_by(table.pk)).all()


def _load(conn: Connection, rows: Sequence[Any], window: Window) -> dict[int, list[PointColumns]]:
    """Return the points by segment: from envelopes when these alone are as many as are asked for."""
    wide = {row.pk for row in rows if row.has_envelope and _lies_within(row, window)}
    if len(wide) * 2 * chunks.BUCKETS < window.max_points:
        wide = set()
    envelopes = _fetch(conn, MetricChunkTable.envelope, wide)
    data = _fetch(conn, MetricChunkTable.data, {row.pk for row in rows if row.pk not in wide})
    parts: dict[int, list[PointColumns]] = {}
    for row in rows:
        if row.pk in wide:
            points = chunks.read_envelope(envelopes[row.pk])
        else:
            points = chunks.decode(data[row.pk], row.encoding, row.points)
        parts.setdefault(row.segment, []).append(points)
    return parts


def _lies_within(row: Any, window: Window) -> bool:
    """Whether all of a chunk is asked for, and no single point of it."""
    starts = window.first_step is None or row.first_step >= window.first_step
    ends = window.last_step is None or row.last_step <= window.last_step
    return starts and ends and not (window.keep is not None and row.first_step <= window.keep <= row.last_step)


def _fetch(conn: Connection, column: Any, wanted: Iterable[int]) -> dict[int, bytes]:
    pks = sorted(wanted)
    result: dict[int, bytes] = {}
    for place in range(0, len(pks), _FETCH):
        chosen = MetricChunkTable.pk.in_(pks[place : place + _FETCH])
        result.update((pk, data) for pk, data in conn.execute(select(MetricChunkTable.pk, column).where(chosen)))
    return result


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


def _thin_pieces(pieces: list[Piece], window: Window) -> list[Piece]:
    """Give each piece its share of the points asked for, and a few in any case."""
    total = sum(len(piece.points) for piece in pieces)
    if total <= window.max_points:
        return pieces
    shares = [max(_LEAST, window.max_points * len(piece.points) // total) for piece in pieces]
    return [_thin_piece(piece, share, window.keep) for piece, share in zip(pieces, shares, strict=True)]


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
