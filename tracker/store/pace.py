"""How fast the runs train that train now: what their outlook is reckoned from."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, and_, func, select
from sqlalchemy.orm import aliased

from keepbest.contract.runs import Pace, Run
from keepbest.status import RunState
from tracker.models import RunTable, ValidationTable


def add_pace(conn: Connection, runs: Sequence[Run]) -> list[Run]:
    """Return these runs, each that trains with the pace of its present segment, if that has two validations."""
    training = [run.id for run in runs if run.state is RunState.RUNNING]
    known = read_paces(conn, training) if training else {}
    return [run.model_copy(update={"pace": known[run.id]}) if run.id in known else run for run in runs]


def read_paces(conn: Connection, ids: Sequence[str]) -> dict[str, Pace]:
    """Return the pace of the present segment of each of these runs, by id; no pause is in it."""
    row = ValidationTable
    is_present = and_(row.run_pk == RunTable.pk, row.segment == RunTable.segment, row.withdraws.is_(False))
    spans = (
        select(RunTable.id, row.run_pk, row.segment, func.count().label("validations"))
        .add_columns(func.min(row.step).label("first"), func.max(row.step).label("last"))
        .join(row, is_present)
        .where(RunTable.id.in_(ids))
        .group_by(RunTable.id, row.run_pk, row.segment)
        .having(func.count() > 1)
        .subquery()
    )
    first, last = aliased(row), aliased(row)
    query = select(spans, first.at.label("first_at"), last.at.label("last_at"))
    for end, step in ((first, spans.c.first), (last, spans.c.last)):
        place = and_(end.run_pk == spans.c.run_pk, end.segment == spans.c.segment, end.step == step)
        query = query.join(end, and_(place, end.withdraws.is_(False)))
    paces = {}
    for span in conn.execute(query):
        steps, seconds = span.last - span.first, (span.last_at - span.first_at).total_seconds()
        if seconds > 0:
            each = steps / (span.validations - 1)
            paces[span.id] = Pace(segment=span.segment, seconds_per_step=seconds / steps, steps_per_validation=each)
    return paces
