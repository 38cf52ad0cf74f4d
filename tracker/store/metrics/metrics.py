"""Metrics: columns go in as packed chunks with a summary row a key; `curves` reads the points."""

from __future__ import annotations

from collections.abc import Sequence
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

#: Built once: building a statement costs more than running it.
_ADD = insert(MetricChunkTable)


@dataclass(frozen=True, slots=True)
class Column:
    """Points of one metric in one segment, as they arrived."""

    segment: int
    key: str
    points: PointColumns


def add_columns(conn: Connection, run_pk: int, columns: Sequence[Column], *, newest: bool) -> None:
    """Store the points and bring the summaries up to date; late ones (not `newest`) leave the last value alone."""
    if not columns:
        return
    conn.execute(_ADD, [_chunk_row(run_pk, column) for column in columns])
    _add_to_summaries(conn, run_pk, columns, newest)


def list_summaries(conn: Connection, run_pk: int) -> list[contract.MetricSummary]:
    """Return what is known of every metric of a run, by name."""
    return read_summaries(conn, [run_pk]).get(run_pk, [])


def read_summaries(conn: Connection, run_pks: Sequence[int]) -> dict[int, list[contract.MetricSummary]]:
    """Return what is known of every metric of each of these runs, by name."""
    table = MetricSummaryTable
    query = select(*table.__table__.columns).where(table.run_pk.in_(run_pks)).order_by(table.run_pk, table.key)
    summaries: dict[int, list[contract.MetricSummary]] = {}
    for row in conn.execute(query):
        summaries.setdefault(row.run_pk, []).append(contract.MetricSummary.model_validate(row._asdict()))
    return summaries


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
