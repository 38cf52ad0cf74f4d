"""Metrics on both databases: summaries say what the points say, curves lose nothing, compaction changes nothing."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some
from sqlalchemy import Connection, delete, func, select

from keepbest.errors import Conflict
from tests.support.store import NOW, later, submit_external
from tracker import db
from tracker.db import Engine
from tracker.models import MetricChunkTable, MetricSummaryTable
from tracker.store.metrics import chunks, compaction, curves, metrics
from tracker.store.metrics.chunks import PointColumns
from tracker.store.metrics.curves import Line, Window
from tracker.store.metrics.metrics import Column
from tracker.store.segments import LivingPath

ALIVE = LivingPath({0: None})
BATCHES = some.lists(
    some.lists(some.tuples(some.integers(0, 50), some.floats(width=32)), min_size=1, max_size=6), min_size=1, max_size=6
)


def points(steps: Sequence[int], values: Sequence[float]) -> PointColumns:
    return PointColumns(np.array(steps, np.int64), np.array(values, float), np.arange(len(steps), dtype=float))


def column(steps: Sequence[int], values: Sequence[float], segment: int = 0, key: str = "loss") -> Column:
    return Column(segment, key, points(steps, values))


def wave(count: int) -> Column:
    return Column(
        0, "loss", PointColumns(np.arange(count), np.sin(np.arange(count) / 1000), np.arange(count, dtype=float))
    )


def read(conn: Connection, run_pk: int, keep: int | None = None, **window: int) -> list[tuple[int, float]]:
    curve = curves.read_curve(conn, Line(run_pk, "loss", ALIVE, keep), Window(**window))
    return [pair for piece in curve.pieces for pair in zip(piece.steps, piece.values, strict=True)]


def compact(engine: Engine) -> int:
    with db.read(engine) as conn:
        groups = compaction.find_due(conn, later(3600), limit=100)
    for group in groups:
        with db.read(engine) as conn:
            rows = compaction.read_group(conn, group)
        with db.write(engine) as conn:
            compaction.replace(conn, group, rows, compaction.pack(rows))
    return len(groups)


@given(batches=BATCHES)
@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_summary_says_what_its_points_say(engine: Engine, batches: list[list[tuple[int, float]]]) -> None:
    with db.write(engine) as conn:
        run = submit_external(conn)
        for rows in batches:
            metrics.add_columns(
                conn, run, [column([step for step, _ in rows], [value for _, value in rows])], newest=True
            )
        (seen,) = metrics.list_summaries(conn, run.pk)
    rows = [row for batch in batches for row in batch]
    finite = [(value, step) for step, value in rows if math.isfinite(value)]
    last_step = max(step for step, _ in batches[-1])
    last = [value for step, value in batches[-1] if step == last_step][-1]
    assert (seen.count, seen.non_finite) == (len(rows), len(rows) - len(finite))
    assert (seen.first_step, seen.last_step) == (min(step for step, _ in rows), last_step)
    assert np.array_equal(seen.last_value, last, equal_nan=True)
    lowest, highest = min(finite, default=(None,))[0], max(finite, default=(None,))[0]
    assert (seen.min_value, seen.max_value) == (lowest, highest)
    assert (seen.min_value is None) or (seen.min_value, seen.min_step) in finite


def test_late_points_leave_the_last_value_alone(conn: Connection) -> None:
    run = submit_external(conn)
    metrics.add_columns(conn, run, [column([5], [5.0])], newest=True)
    metrics.add_columns(conn, run, [column([9], [-9.0])], newest=False)
    (seen,) = metrics.list_summaries(conn, run.pk)
    assert (seen.last_step, seen.last_value, seen.min_value, seen.count) == (5, 5.0, -9.0, 2)


def test_the_last_value_is_the_newest_segments(conn: Connection) -> None:
    run = submit_external(conn)
    metrics.add_columns(conn, run, [column([301], [0.3], segment=1), column([500], [0.5], segment=0)], newest=True)
    (seen,) = metrics.list_summaries(conn, run.pk)
    assert (seen.last_step, seen.last_value) == (301, 0.3)


def test_points_come_back_by_step_whatever_their_order(conn: Connection) -> None:
    run = submit_external(conn)
    metrics.add_columns(conn, run, [column([5, 3, 5], [5.0, 3.0, 5.5])], newest=True)
    metrics.add_columns(conn, run, [column([4, 3], [4.0, 3.5])], newest=True)
    assert read(conn, run.pk) == [(3, 3.0), (3, 3.5), (4, 4.0), (5, 5.0), (5, 5.5)]
    assert read(conn, run.pk, first_step=4, last_step=4) == [(4, 4.0)]
    assert read(conn, run.pk, first_step=6) == []


def test_what_the_path_left_is_a_ghost(conn: Connection) -> None:
    run = submit_external(conn)
    metrics.add_columns(
        conn, run, [column([100, 300, 400], [1.0, 2.0, 3.0]), column([350], [9.0], segment=1)], newest=True
    )
    metrics.add_columns(conn, run, [column([50], [7.0], segment=2)], newest=True)
    curve = curves.read_curve(conn, Line(run.pk, "loss", LivingPath({0: 300, 1: None})), Window())
    assert [(piece.segment, piece.ghost, piece.steps) for piece in curve.pieces] == [
        (0, False, [100, 300]),
        (0, True, [400]),
        (1, False, [350]),
        (2, True, [50]),
    ]


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("size", [1000, 10_000])
def test_a_long_curve_is_thinned_and_keeps_what_must_not_be_lost(engine: Engine, packed: bool, size: int) -> None:
    """Raw or packed, in batches with or without an envelope: one step's spike, NaN and infinity survive."""
    count = 100_000
    long = wave(count)
    odd = {31_337: 7.0, 77_777: -7.0, 50_001: math.nan, 60_001: math.inf, 70_001: -math.inf}
    long.points.values[list(odd)] = list(odd.values())
    with db.write(engine) as conn:
        run = submit_external(conn)
        pieces = [Column(0, "loss", long.points.take(slice(at, at + size))) for at in range(0, count, size)]
        for piece in pieces:
            metrics.add_columns(conn, run, [piece], newest=True)
    if packed:
        compact(engine)
    with db.read(engine) as conn:
        seen = dict(read(conn, run.pk, max_points=1000, keep=31_000))
    assert len(seen) <= 1001
    for step, value in odd.items():
        assert np.array_equal(seen[step], value, equal_nan=True)
    assert {0, count - 1, 31_000} <= seen.keys()


def test_compaction_changes_no_point(engine: Engine) -> None:
    random = np.random.default_rng(3)
    with db.write(engine) as conn:
        run = submit_external(conn)
        for batch in range(60):
            steps = random.integers(0, 5000, 200)
            metrics.add_columns(conn, run, [column(list(steps), list(random.normal(size=200)))], newest=True)
            if batch == 30:
                metrics.add_columns(conn, run, [column([1], [math.nan])], newest=True)
    before = all_points(engine, run.pk)
    assert compact(engine) == 1
    with db.read(engine) as conn:
        assert encodings(conn, run.pk) == {chunks.FULL: 1, chunks.OPEN: 1}
    np.testing.assert_array_equal(all_points(engine, run.pk), before)
    with db.write(engine) as conn:
        metrics.add_columns(conn, run, [column([6000], [1.0])], newest=True)
    assert compact(engine) == 1
    with db.read(engine) as conn:
        assert encodings(conn, run.pk) == {chunks.FULL: 1, chunks.OPEN: 1}
        assert read(conn, run.pk, first_step=5999) == [(6000, 1.0)]
    assert compact(engine) == 0


def all_points(engine: Engine, pk: int) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    with db.read(engine) as conn:
        rows = conn.execute(
            select(MetricChunkTable.data, MetricChunkTable.encoding, MetricChunkTable.count.label("points"))
            .where(MetricChunkTable.run_pk == pk)
            .order_by(MetricChunkTable.pk)
        ).all()
    whole = chunks.join([chunks.decode(row.data, row.encoding, row.points) for row in rows]).in_order()
    return np.stack([whole.steps.astype(float), whole.values, whole.times])


def encodings(conn: Connection, pk: int) -> dict[int, int]:
    found = (
        select(MetricChunkTable.encoding, func.count())
        .where(MetricChunkTable.run_pk == pk)
        .group_by(MetricChunkTable.encoding)
    )
    return dict(iter(conn.execute(found)))


def test_few_fresh_chunks_wait_until_the_run_is_quiet(engine: Engine) -> None:
    with db.write(engine) as conn:
        run = submit_external(conn)
        metrics.add_columns(conn, run, [column([1], [1.0])], newest=True)
        assert compaction.find_due(conn, NOW, limit=10) == []
        assert len(compaction.find_due(conn, later(301), limit=10)) == 1


def test_chunks_that_are_gone_meanwhile_stay_gone(engine: Engine) -> None:
    with db.write(engine) as conn:
        run = submit_external(conn)
        metrics.add_columns(conn, run, [column([1], [1.0])], newest=True)
    group = compaction.Group(run.pk, "loss", 0)
    with db.read(engine) as conn:
        rows = compaction.read_group(conn, group)
    with db.write(engine) as conn:
        conn.execute(delete(MetricChunkTable))
        conn.execute(delete(MetricSummaryTable))
    with pytest.raises(Conflict), db.write(engine) as conn:
        compaction.replace(conn, group, rows, compaction.pack(rows))
    with db.read(engine) as conn:
        assert read(conn, run.pk) == []
