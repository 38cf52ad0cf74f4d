"""Metrics: columns go in as packed chunks with a summary row a key; `curves` reads the points.

`best_value` of a summary is what runs are found and sorted by. Of the metric that the run monitors it is the run's own
best, which `run_summary` decides; of others it is the extreme in the direction that the name says, else the last value.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

import numpy as np
from sqlalchemy import Connection, String, bindparam, case, false, insert, select, true, update

from keepbest.contract import validations as contract
from keepbest.stopping import find_mode
from tracker import db
from tracker.models import MetricChunkTable, MetricSummaryTable
from tracker.store.metrics import chunks
from tracker.store.metrics.chunks import PointColumns
from tracker.store.runs import RunRow

# Built once: building a statement costs more than running it.
_ADD = insert(MetricChunkTable)
_OWN = (
    update(MetricSummaryTable)
    .where(MetricSummaryTable.run_pk == bindparam("of_run"), MetricSummaryTable.key == bindparam("of_key"))
    .values(best_value=bindparam("to_value"), best_step=bindparam("to_step"))
)


@dataclass(frozen=True, slots=True)
class Column:
    """Points of one metric in one segment, as they arrived."""

    segment: int
    key: str
    points: PointColumns


#: Which points may bring a metric's last value: those that arrive now, none, or those of the latest step, time, value.
Last = Literal["newest", "none", "latest"]


def add_columns(
    conn: Connection, run: RunRow, columns: Sequence[Column], *, newest: bool, by_time: bool = False
) -> None:
    """Store the points and bring the summaries up to date; late ones (not `newest`) leave the last value alone.

    With `by_time` the last value is the one with the highest step, and of those the latest time, in whatever order the
    points arrive.
    """
    if not columns:
        return
    conn.execute(_ADD, [_chunk_row(run.pk, column) for column in columns])
    _add_to_summaries(conn, run, columns, "latest" if by_time else "newest" if newest else "none")


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


@cache
def find_side(key: str) -> Literal["min", "max", "last"]:
    """Return which of a metric's values is its best, where the run does not monitor it."""
    return find_mode(key) or "last"


def set_own_best(conn: Connection, run_pk: int, monitor: str, value: float | None, step: int | None) -> None:
    """Make the run's own best that of the metric that it monitors."""
    conn.execute(_OWN, {"of_run": run_pk, "of_key": monitor, "to_value": value, "to_step": step})


def drop_own_best(conn: Connection, run_pk: int, key: str) -> None:
    """Make the best of a metric that the run monitors no longer what it is of any other."""
    side = find_side(key)
    value, step = (getattr(MetricSummaryTable, f"{side}_{name}") for name in ("value", "step"))
    own = update(MetricSummaryTable).where(MetricSummaryTable.run_pk == run_pk, MetricSummaryTable.key == key)
    is_number = value <= math.inf
    conn.execute(own.values(best_value=case((is_number, value)), best_step=case((is_number, step))))


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


def _add_to_summaries(conn: Connection, run: RunRow, columns: Sequence[Column], last: Last) -> None:
    by_key: dict[str, list[Column]] = {}
    for column in columns:
        by_key.setdefault(column.key, []).append(column)
    # In one order everywhere: two transactions that change the same rows must not wait for each other.
    rows = [_summary_row(run, key, by_key[key], last) for key in sorted(by_key)]
    conn.execute(_upsert(conn.dialect.name, last), rows)


def _summary_row(run: RunRow, key: str, columns: Sequence[Column], order: Last) -> dict[str, Any]:
    last = max(columns, key=lambda column: column.segment).points
    points = chunks.join([column.points for column in columns])
    finite = np.isfinite(points.values)
    if order == "latest":
        place = int(np.lexsort((last.values, last.times, last.steps))[-1])
    else:
        place = len(last) - 1 - int(last.steps[::-1].argmax())
    row = {
        "run_pk": run.pk,
        "key": key,
        "project_pk": run.project_pk,
        "count": len(points),
        "non_finite": len(points) - int(finite.sum()),
        "first_step": int(points.steps.min()),
        "last_step": int(last.steps[place]),
        "last_value": float(last.values[place]),
        "last_time": float(last.times[place]),
        **_extremes(points if finite.all() else points.take(finite)),
    }
    return row | _best(run, row)


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


def _best(run: RunRow, row: dict[str, Any]) -> dict[str, Any]:
    if row["key"] == run.monitor:
        return {"side": "own", "best_value": run.best_value, "best_step": run.best_step}
    side = find_side(row["key"])
    value = row[f"{side}_value"]
    is_number = value is not None and not math.isnan(value)
    return {
        "side": side,
        "best_value": value if is_number else None,
        "best_step": row[f"{side}_step"] if is_number else None,
    }


@cache
def _upsert(dialect: str, last: Last) -> Any:
    """Build the INSERT that adds a batch's summary to the row that is there; the earlier of equal extremes stays."""
    statement = db.insert(dialect, MetricSummaryTable)
    old, new = MetricSummaryTable, statement.excluded
    lower = (new.min_value < old.min_value) | old.min_value.is_(None)
    higher = (new.max_value > old.max_value) | old.max_value.is_(None)
    later = _is_later(old, new, last)
    better = _is_better(old, new, later)
    changes = {
        "count": old.count + new["count"],
        "non_finite": old.non_finite + new.non_finite,
        "first_step": case((new.first_step < old.first_step, new.first_step), else_=old.first_step),
        "min_value": case((lower, new.min_value), else_=old.min_value),
        "min_step": case((lower, new.min_step), else_=old.min_step),
        "max_value": case((higher, new.max_value), else_=old.max_value),
        "max_step": case((higher, new.max_step), else_=old.max_step),
        "best_value": case((better, new.best_value), else_=old.best_value),
        "best_step": case((better, new.best_step), else_=old.best_step),
    }
    for name in ("last_step", "last_value", "last_time"):
        changes[name] = case((later, new[name]), else_=old.__table__.c[name])
    return statement.on_conflict_do_update(index_elements=["run_pk", "key"], set_=changes)


def _is_later(old: Any, new: Any, last: Last) -> Any:
    """Whether the batch brings the metric's last value."""
    if last != "latest":
        return true() if last == "newest" else false()
    higher = new.last_value >= old.last_value
    is_newer = old.last_time.is_(None) | (new.last_time > old.last_time) | ((new.last_time == old.last_time) & higher)
    return (new.last_step > old.last_step) | ((new.last_step == old.last_step) & is_newer)


def _is_better(old: Any, new: Any, later: Any) -> Any:
    """Whether the batch has a better value; an own best never comes with points."""
    side = bindparam("side", type_=String)
    first = old.best_value.is_(None)
    return case(
        (side == "min", (new.best_value < old.best_value) | first),
        (side == "max", (new.best_value > old.best_value) | first),
        (side == "last", later | first),
        else_=false(),
    )
