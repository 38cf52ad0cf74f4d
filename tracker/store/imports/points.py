"""Points of imported runs: each is taken once, by its place among the points of its metric."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache
from typing import Any

from sqlalchemy import Connection, select, update

from keepbest.contract.base import FIRST_YEAR, LAST_YEAR
from keepbest.contract.batches import SegmentOpened
from keepbest.errors import BatchGap, InvalidInput
from tracker import db
from tracker.models import ImportedMetricTable, ImportTable, RunTable
from tracker.store import events, runs, segments
from tracker.store.leases import LeaseValidity
from tracker.store.metrics import metrics
from tracker.store.metrics.chunks import FULL_POINTS
from tracker.store.metrics.metrics import Column
from tracker.store.runs import RunRow

#: Keys of one statement: SQLite takes only so many values.
_AT_ONCE = 1000


@dataclass(frozen=True, slots=True)
class OffsetColumn:
    """Points of one metric in one segment, of which the source has `offset` points before these."""

    column: Column
    offset: int


@dataclass(frozen=True, slots=True)
class _Reached:
    """How far a metric is: its points so far, and the segment of the last."""

    count: int = 0
    segment: int = 0


def add_points(conn: Connection, run: RunRow, given: Sequence[OffsetColumn], now: datetime) -> int:
    """Store the points that are new, and return how many; `imports.get_import` returned the run.

    Raises BatchGap for points whose forerunners are missing, InvalidInput for a segment before that of the last point.
    """
    places = _read_places(conn, run.pk, sorted({each.column.key for each in given}))
    new = list(_choose_new(given, places))
    if not new:
        return 0
    run = _open_segments(conn, run, new, now)
    pieces = [piece for column in new for piece in _split(column)]
    # Of a run with several segments the last value is the newest; of another that of the highest step, as in MLflow.
    metrics.add_columns(conn, run, pieces, newest=True, by_time=not run.segment)
    _write_places(conn, run.pk, new, places)
    _note(conn, run, new, now)
    return sum(len(column.points) for column in new)


def _choose_new(given: Sequence[OffsetColumn], places: dict[str, _Reached]) -> Iterator[Column]:
    """Yield what is new of each column, and bring the places up to date."""
    for each in given:
        key, points = each.column.key, each.column.points
        there = places.get(key, _Reached())
        if each.offset > there.count:
            message = f"The points of {key!r} from {there.count:,} to {each.offset:,} are missing."
            raise BatchGap(message, field="columns.offset", hint=f"Send those from {there.count:,} on next.")
        if each.offset + len(points) <= there.count:
            continue
        if each.column.segment < there.segment:
            message = f"{key!r} is in segment {there.segment} already."
            raise InvalidInput(message, field="columns.segment", hint="Segments follow one another.")
        places[key] = _Reached(each.offset + len(points), each.column.segment)
        yield replace(each.column, points=points.take(slice(there.count - each.offset, None)))


def _open_segments(conn: Connection, run: RunRow, new: Sequence[Column], now: datetime) -> RunRow:
    """Open the segments that are missing. Where they begin is settled when the monitor is judged."""
    newest = max(column.segment for column in new)
    for number in range((run.segment or 0) + 1, newest + 1):
        first = next((column.points.times[0] for column in new if column.segment == number), None)
        at = now if first is None else _read_moment(float(first), now)
        start = run.step or 0
        opened = SegmentOpened(number=number, parent=number - 1, reason="resume", start_step=start, at=at)
        segments.open_segment(conn, run, opened, LeaseValidity(True, run.attempt, None, None, None, run))
    return run if newest <= (run.segment or 0) else runs.get_by_pk(conn, run.pk)


def _read_moment(seconds: float, now: datetime) -> datetime:
    moment = datetime.fromtimestamp(seconds, UTC)
    return moment if FIRST_YEAR < moment.year < LAST_YEAR else now


def _split(column: Column) -> Iterator[Column]:
    """Yield the points in chunks, of which a zoomed chart decodes few."""
    for start in range(0, len(column.points), FULL_POINTS):
        yield replace(column, points=column.points.take(slice(start, start + FULL_POINTS)))


def _note(conn: Connection, run: RunRow, new: Sequence[Column], now: datetime) -> None:
    step = max(run.step or 0, *(int(column.points.steps.max()) for column in new))
    conn.execute(update(RunTable).where(RunTable.pk == run.pk).values(step=step, updated_at=now))
    conn.execute(update(ImportTable).where(ImportTable.run_pk == run.pk).values(is_complete=False))
    events.append(conn, "run.progress", run, {"step": step}, now)


def _read_places(conn: Connection, run_pk: int, keys: Sequence[str]) -> dict[str, _Reached]:
    table, places = ImportedMetricTable, dict[str, _Reached]()
    query = select(table.key, table.count.label("points"), table.segment).where(table.run_pk == run_pk)
    for start in range(0, len(keys), _AT_ONCE):
        rows = conn.execute(query.where(table.key.in_(keys[start : start + _AT_ONCE])))
        places |= {row.key: _Reached(row.points, row.segment) for row in rows}
    return places


def _write_places(conn: Connection, run_pk: int, new: Sequence[Column], places: Mapping[str, _Reached]) -> None:
    last = {column.key: column for column in new}
    rows = [
        {
            "run_pk": run_pk,
            "key": key,
            "count": places[key].count,
            "segment": column.segment,
            "step": int(column.points.steps[-1]),
            "value": float(column.points.values[-1]),
        }
        for key, column in sorted(last.items())
    ]
    conn.execute(_upsert(conn.dialect.name), rows)


@cache
def _upsert(dialect: str) -> Any:
    statement = db.insert(dialect, ImportedMetricTable)
    changes = {name: statement.excluded[name] for name in ("count", "segment", "step", "value")}
    return statement.on_conflict_do_update(index_elements=["run_pk", "key"], set_=changes)
