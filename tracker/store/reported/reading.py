"""Everything that is known of runs but their histories, for many runs with few statements."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, select

from tracker.models import MetricSummaryTable, ProjectTable, RunTable
from tracker.store.reported import datasets, keyed_tags
from tracker.store.runs import RunRow

#: Runs of one statement: SQLite takes only so many values.
_AT_ONCE = 1000
_COLUMNS = (
    "pk", "id", "project_pk", "name", "state", "notes", "tags", "created_by", "created_at", "started_at", "ended_at",
    "deleted_at",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class LastMetric:
    """The last value of a metric."""

    key: str
    value: float
    step: int
    milliseconds: int


@dataclass(frozen=True, slots=True)
class RunData:
    """The metrics, parameters (as texts), tags and data sets of one run."""

    metrics: Sequence[LastMetric]
    parameters: Mapping[str, str]
    tags: Mapping[str, str]
    datasets: Sequence[Any]


def read_rows(conn: Connection, run_pks: Sequence[int]) -> list[RunRow]:
    """Return what a list shows of these runs, in their order, with their specs."""
    columns = [*(getattr(RunTable, name) for name in _COLUMNS), RunTable.spec, ProjectTable.name.label("project")]
    query = select(*columns).join(ProjectTable, RunTable.project_pk == ProjectTable.pk)
    rows: dict[int, RunRow] = {}
    for some in _split(run_pks):
        rows |= {row.pk: row for row in conn.execute(query.where(RunTable.pk.in_(some)))}
    return [rows[pk] for pk in run_pks if pk in rows]


def get_row(conn: Connection, run_pk: int) -> RunRow:
    """Return one run as `read_rows` does."""
    return read_rows(conn, [run_pk])[0]


def read_data(conn: Connection, rows: Sequence[RunRow]) -> dict[int, RunData]:
    """Return the data of each of these runs, which `read_rows` returned."""
    data = {}
    for some in _split([row.pk for row in rows]):
        metrics, own = _read_metrics(conn, rows, some), keyed_tags.read_tags(conn, some)
        used = datasets.read_datasets(conn, some)
        data.update({pk: (metrics[pk], own[pk], used[pk]) for pk in some})
    return {row.pk: _gather(row, *data[row.pk]) for row in rows}


def _gather(row: RunRow, metrics: Sequence[LastMetric], own: dict[str, str], used: Sequence[Any]) -> RunData:
    parameters = {key: _write(value) for key, value in row.spec["parameters"].items()}
    words = dict(tag.partition("=")[::2] for tag in row.tags)
    notes = {keyed_tags.NOTES: row.notes} if row.notes else {}
    return RunData(metrics, parameters, {**words, **own, **notes}, used)


def _read_metrics(conn: Connection, rows: Sequence[RunRow], some: Sequence[int]) -> dict[int, list[LastMetric]]:
    table = MetricSummaryTable
    query = select(table.run_pk, table.key, table.last_value, table.last_step, table.last_time).where(
        table.run_pk.in_(some)
    )
    heard = {row.pk: row.ended_at or row.created_at for row in rows}
    metrics: dict[int, list[LastMetric]] = {pk: [] for pk in some}
    for pk, key, value, step, time in conn.execute(query.order_by(table.run_pk, table.key)):
        seconds = heard[pk].timestamp() if time is None else time
        metrics[pk].append(LastMetric(key, value, step, round(seconds * 1000)))
    return metrics


def _write(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _split(pks: Sequence[int]) -> list[Sequence[int]]:
    return [pks[start : start + _AT_ONCE] for start in range(0, len(pks), _AT_ONCE)]
