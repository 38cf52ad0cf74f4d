"""Points that a script reports by requests: any key, step and time, in any order; all are kept.

This is a hot path: a request with one value costs four statements, each built once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
from sqlalchemy import Connection, bindparam, case, update

from keepbest.errors import Conflict
from keepbest.status import RunState
from tracker.models import RunTable
from tracker.store import events, run_summary
from tracker.store.metrics import metrics
from tracker.store.metrics.chunks import PointColumns
from tracker.store.metrics.metrics import Column
from tracker.store.reported import runs as reported
from tracker.store.reported import shadow
from tracker.store.runs import RunRow


@dataclass(frozen=True, slots=True)
class ReportedPoint:
    """One value of one metric; `time` is in seconds since 1970."""

    key: str
    value: float
    step: int
    time: float


def add_points(conn: Connection, run: RunRow, points: Sequence[ReportedPoint], *, user: str, now: datetime) -> None:
    """Store points of a run that `reported.get_reporting` returned; those of its monitor are validations as well."""
    if not points:
        return
    if run.is_imported and run.attempt == 1:
        hint = "To go on with it, set it to running first, as `mlflow.start_run(run_id=…)` does."
        raise Conflict(f"Run {run.id} was imported: its values come from its source.", field="run_id", hint=hint)
    run = reported.revive(conn, run, user=user, now=now)
    judged = shadow.prepare(conn, run, points, now)
    run = run if judged is None else judged.run
    columns = list(_make_columns(points, run.segment or 0))
    metrics.add_columns(conn, run, columns, newest=True, by_time=True)
    if judged is not None:
        shadow.judge(conn, judged, points, columns, now)
    _note(conn, run, points, now)


def _make_columns(points: Sequence[ReportedPoint], segment: int) -> Iterator[Column]:
    by_key: dict[str, list[ReportedPoint]] = {}
    for point in points:
        by_key.setdefault(point.key, []).append(point)
    for key, own in by_key.items():
        steps = np.array([point.step for point in own], np.int64)
        values, times = (np.array([getattr(point, name) for point in own]) for name in ("value", "time"))
        yield Column(segment, key, PointColumns(steps, values, times))


def _note(conn: Connection, run: RunRow, points: Sequence[ReportedPoint], now: datetime) -> None:
    """Note how far the run is and that it was heard; a run that has ended stays so."""
    step = max(run.step or 0, *(point.step for point in points))
    conn.execute(_NOTE, {"of_run": run.pk, "to_step": step, "at": now, "until": now + reported.SILENCE})
    if run.heard_at is None or now - run.heard_at >= run_summary.QUIET:
        events.append(conn, "run.progress", run, {"step": step}, now)


_IS_HELD = RunTable.state.in_([state.value for state in RunState if state.is_held])
_NOTE: Any = (
    update(RunTable)
    .where(RunTable.pk == bindparam("of_run"))
    .values(
        step=bindparam("to_step"),
        heard_at=bindparam("at"),
        updated_at=bindparam("at"),
        lease_expires_at=case((_IS_HELD, bindparam("until", type_=RunTable.lease_expires_at.type))),
    )
)
