"""Compaction: packs many small raw chunks of one metric into few compressed ones, in short transactions.

Raw chunks never change, and only the scheduler replaces them. So one transaction reads the chunks, they are packed
with none open, and another transaction replaces them; where the run was deleted meanwhile, it is undone. The first
packed chunk gets the key (`pk`) of the first raw one, so that points of equal steps stay in order of arrival.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, delete, func, insert, or_, select

from keepbest.errors import Conflict
from keepbest.status import RunState
from tracker.models import MetricChunkTable, RunTable
from tracker.store.metrics import chunks
from tracker.store.metrics.chunks import PointColumns

#: A metric is compacted once it has this many raw chunks, or this many points in them …
CHUNKS = 32
POINTS = 1024
#: … or once its run has ended, or has not changed for this long.
QUIET = timedelta(minutes=5)
#: Chunks of a metric that one run of the job packs.
AT_ONCE = 5000

_FINAL = [state.value for state in RunState if state.is_final]


@dataclass(frozen=True, slots=True)
class Group:
    """The chunks of one metric in one segment."""

    run_pk: int
    key: str
    segment: int


def find_due(conn: Connection, now: datetime, *, limit: int) -> list[Group]:
    """Return the metrics to compact now."""
    raw = (
        select(
            MetricChunkTable.run_pk,
            MetricChunkTable.key,
            MetricChunkTable.segment,
            func.count().label("chunks"),
            func.sum(MetricChunkTable.count).label("points"),
        )
        .where(MetricChunkTable.encoding == chunks.RAW)
        .group_by(MetricChunkTable.run_pk, MetricChunkTable.key, MetricChunkTable.segment)
        .subquery()
    )
    quiet = or_(RunTable.state.in_(_FINAL), RunTable.updated_at < now - QUIET)
    due = or_(raw.c.chunks >= CHUNKS, raw.c.points >= POINTS, quiet)
    query = select(raw.c.run_pk, raw.c.key, raw.c.segment).join(RunTable, RunTable.pk == raw.c.run_pk).where(due)
    return [Group(*row) for row in conn.execute(query.limit(limit))]


def read_group(conn: Connection, group: Group) -> Sequence[Any]:
    """Return the chunks that compaction may still change, oldest first."""
    table = MetricChunkTable
    return conn.execute(
        select(table.pk, table.count.label("points"), table.encoding, table.data)
        .where(
            table.run_pk == group.run_pk,
            table.key == group.key,
            table.segment == group.segment,
            table.encoding != chunks.FULL,
        )
        .order_by(table.pk)
        .limit(AT_ONCE)
    ).all()


def pack(rows: Sequence[Any]) -> list[dict[str, Any]]:
    """Return rows with the same points packed: full chunks, and an open one with the rest."""
    points = chunks.join([chunks.decode(row.data, row.encoding, row.points) for row in rows]).in_order()
    starts = range(0, len(points), chunks.FULL_POINTS)
    return [_pack(points.take(slice(start, start + chunks.FULL_POINTS))) for start in starts]


def replace(conn: Connection, group: Group, rows: Sequence[Any], packed: Sequence[dict[str, Any]]) -> None:
    """Replace chunks by the packed ones made of them; raises Conflict where they were deleted meanwhile."""
    pks = [row.pk for row in rows]
    if conn.execute(delete(MetricChunkTable).where(MetricChunkTable.pk.in_(pks))).rowcount != len(pks):
        raise Conflict("The chunks were deleted while they were packed.")
    owner = {"run_pk": group.run_pk, "key": group.key, "segment": group.segment}
    kept = [{**owner, **row, "pk": pk} for pk, row in zip(pks, packed, strict=False)]
    conn.execute(insert(MetricChunkTable), kept)
    if more := [{**owner, **row} for row in packed[len(pks) :]]:
        conn.execute(insert(MetricChunkTable), more)


def _pack(points: PointColumns) -> dict[str, Any]:
    return {
        "first_step": int(points.steps[0]),
        "last_step": int(points.steps[-1]),
        "count": len(points),
        "encoding": chunks.FULL if len(points) == chunks.FULL_POINTS else chunks.OPEN,
        "data": chunks.encode_packed(points),
        "envelope": chunks.make_envelope(points),
    }
