"""Finds the runs of a sweep that ASHA promotes from their rungs (`keepbest.stopping.rungs`), with queries.

`keepbest.stopping.rungs.find_promotable` gives the same answer from all runs in memory. The scheduler asks each second,
and a sweep may have ten thousand runs, so these queries count in indexes and read only runs that are promoted. A value
is finite or null. Of equal values the earlier trial goes first: primary keys ascend with the numbers of trials.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from itertools import takewhile
from typing import Any, NamedTuple

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Row,
    Select,
    and_,
    bindparam,
    case,
    func,
    or_,
    select,
    union_all,
)

from keepbest.contract.sweeps import Halving
from keepbest.status import RunState, StopReason
from keepbest.stopping import Mode
from tracker.models import RungTable, RunTable
from tracker.store.search.visibility import in_trash, visible

#: Parameters of the statements, which are built once, because building takes longer than running.
_SWEEP, _RUNG, _LIMIT, _OFFSET = (bindparam(name, type_=BigInteger()) for name in ("sweep", "at", "most", "skipped"))
_VALUE, _RUN_PK = bindparam("than", type_=RungTable.value.type), bindparam("run", type_=BigInteger())

Waiting = Row[str, int, float | None]


class Promotable(NamedTuple):
    """A run that is promoted next, and the rung at which it waits."""

    run: str
    rung: int


def list_promotable(conn: Connection, sweep_pk: int, halving: Halving, mode: Mode, limit: int) -> list[Promotable]:
    """Return at most `limit` runs in the order of promotion: higher rungs first, then better values."""
    top = conn.execute(select(func.max(RungTable.rung)).where(RungTable.sweep_pk == sweep_pk)).scalar() or 0
    promotables: list[Promotable] = []
    for rung in range(top, 0, -1):
        if len(promotables) < limit:
            at = {"sweep": sweep_pk, "at": rung}
            promotables += [
                Promotable(row.run, rung) for row in _list_at(conn, at, halving.factor, mode, limit - len(promotables))
            ]
    return promotables


def _list_at(conn: Connection, at: dict[str, Any], factor: int, mode: Mode, limit: int) -> list[Waiting]:
    """Return the waiting runs that are among the best of all that reached the rung: one in `factor` of them."""
    first = _list_waiting(conn, at, mode, 1)
    if not first:
        return []
    place = {"run": first[0].run_pk} | ({"than": first[0].value} if first[0].value is not None else {})
    stand, before = conn.execute(_counting(mode, "than" in place), at | place).one()
    if before >= stand // factor:  # the usual case, which needs no further query
        return []
    last = conn.execute(_placing(mode), at | {"skipped": stand // factor - 1}).one()
    waiting = _list_waiting(conn, at, mode, limit)
    return list(takewhile(lambda row: _sort_key(row, mode) <= _sort_key(last, mode), waiting))


def _sort_key(row: Any, mode: Mode) -> tuple[bool, float, int]:
    value = row.value or 0.0
    return row.value is None, -value if mode == "max" else value, row.run_pk


def _list_waiting(conn: Connection, at: dict[str, Any], mode: Mode, limit: int) -> Sequence[Waiting]:
    """Return the runs that wait at this rung, the best first, those without a value last.

    A promotion marks all rungs at which the run stood, so a run waits wherever `promoted_at` is null.
    """
    known = conn.execute(_waiting(mode, with_value=True), at | {"most": limit}).all()
    if len(known) == limit:
        return known
    return [*known, *conn.execute(_waiting(mode, with_value=False), at | {"most": limit - len(known)})]


@cache
def _waiting(mode: Mode, with_value: bool) -> Select[str, int, float | None]:
    """Select the waiting runs with a value, or those without one, in the order of the index."""
    waits = (RunTable.state == RunState.PAUSED.value, visible(None))
    here = (RungTable.sweep_pk == _SWEEP, RungTable.rung == _RUNG, RungTable.promoted_at.is_(None))
    query = (
        select(RunTable.id.label("run"), RungTable.run_pk, RungTable.value)
        .join(RunTable, RungTable.run_pk == RunTable.pk)
        .where(*waits, *here)
        .limit(_LIMIT)
    )
    if not with_value:
        return query.where(RungTable.value.is_(None)).order_by(RungTable.run_pk)
    return query.where(RungTable.value.is_not(None)).order_by(_in_order(RungTable.value, mode), RungTable.run_pk)


@cache
def _counting(mode: Mode, with_value: bool) -> Select[Any]:
    """Select how many runs have reached a rung, and how many of them rank before the given value and run."""
    parts = [
        select(func.count().label("stand"), func.sum(_is_before(part, mode, with_value)).label("before")).where(
            *part.conditions
        )
        for part in (_select_paused(), _select_ended())
    ]
    both = union_all(*parts).subquery()
    return select(func.sum(both.c.stand), func.coalesce(func.sum(both.c.before), 0))


@cache
def _placing(mode: Mode) -> Select[Any]:
    """Select the run at a given place among those that have reached a rung."""
    parts = [
        select(part.value.label("value"), part.run_pk.label("run_pk")).where(*part.conditions)
        for part in (_select_paused(), _select_ended())
    ]
    both = union_all(*parts).subquery()
    order = (both.c.value.is_(None), _in_order(both.c.value, mode), both.c.run_pk)
    return select(both).order_by(*order).offset(_OFFSET).limit(1)


class _Part(NamedTuple):
    """The columns and conditions of one kind of runs that have reached a rung."""

    value: Any
    run_pk: Any
    conditions: tuple[ColumnElement[bool], ...]


def _select_paused() -> _Part:
    """Return the runs that paused at this rung or higher, with their value at the first of these pauses."""
    gone = select(RunTable.pk).where(RunTable.sweep_pk == _SWEEP, in_trash(None))
    here = (RungTable.sweep_pk == _SWEEP, RungTable.rung >= _RUNG, RungTable.since <= _RUNG)
    return _Part(RungTable.value, RungTable.run_pk, (*here, RungTable.run_pk.not_in(gone)))


def _select_ended() -> _Part:
    """Return the runs that ended by themselves before this rung, with their best value."""
    halved = RunTable.stop_reason.is_not_distinct_from(StopReason.SUCCESSIVE_HALVING.value)
    ended = (visible(None), RunTable.state == RunState.FINISHED.value, ~halved)
    return _Part(RunTable.best_value, RunTable.pk, (RunTable.sweep_pk == _SWEEP, *ended, RunTable.top_rung < _RUNG))


def _is_before(part: _Part, mode: Mode, with_value: bool) -> ColumnElement[int]:
    """Return 1 for a run that ranks before the given value and run, else 0; any value ranks before none."""
    earlier = part.run_pk < _RUN_PK
    if not with_value:
        return case((or_(part.value.is_not(None), earlier), 1), else_=0)
    better = part.value > _VALUE if mode == "max" else part.value < _VALUE
    return case((or_(better, and_(part.value == _VALUE, earlier)), 1), else_=0)


def _in_order(value: Any, mode: Mode) -> Any:
    return value.desc() if mode == "max" else value.asc()
