"""Curves of many runs and metrics: the points are those of one curve at a time, read with few statements."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sqlalchemy import Connection

from keepbest.errors import TooLarge
from tests.support.statements import count_statements
from tests.support.store import submit_external
from tracker.store.metrics import axes, curves, metrics
from tracker.store.metrics.axes import Axis
from tracker.store.metrics.chunks import PointColumns
from tracker.store.metrics.curves import Budget, Line, Window
from tracker.store.metrics.metrics import Column
from tracker.store.metrics.pieces import Piece
from tracker.store.segments import LivingPath

ALIVE = LivingPath({0: None})
KEYS = ("acc", "loss", "lr")


def column(key: str, steps: list[int], segment: int = 0) -> Column:
    at = np.array(steps, np.int64)
    return Column(segment, key, PointColumns(at, np.sin(at / 7), at / 4.0))


def fill(conn: Connection, runs: int, chunks: int) -> list[int]:
    made = [submit_external(conn) for _ in range(runs)]
    for run in made:
        for chunk in range(chunks):
            steps = list(range(100 * chunk, 100 * chunk + 100))
            metrics.add_columns(conn, run, [column(key, steps) for key in KEYS], newest=True)
    return [run.pk for run in made]


def test_many_curves_are_each_as_if_read_alone(conn: Connection) -> None:
    lines = [Line(pk, key, ALIVE) for pk in fill(conn, 4, 3) for key in KEYS]
    window = Window(max_points=50)
    with count_statements(conn) as statements:
        together = list(curves.read_lines(conn, lines, window))
    assert [read.line for read in together] == lines
    assert len(statements) == 2
    for read in together:
        alone = curves.read_curve(conn, read.line, window)
        assert [piece.points.steps.tolist() for piece in read.pieces] == [piece.steps for piece in alone.pieces]
        assert read.total == alone.total == 300


@pytest.mark.parametrize("most", [100, 1])
def test_a_tail_holds_what_came_after_its_step(conn: Connection, monkeypatch: pytest.MonkeyPatch, most: int) -> None:
    monkeypatch.setattr(curves, "_MAX_ARMS", most)
    (pk,) = fill(conn, 1, 3)
    lines = [Line(pk, "acc", ALIVE, after=297), Line(pk, "loss", ALIVE, after=150), Line(pk, "lr", ALIVE, after=299)]
    tails = {read.line.key: read for read in curves.read_lines(conn, lines, Window())}
    steps = {key: [step for piece in read.pieces for step in piece.points.steps] for key, read in tails.items()}
    assert steps == {"acc": [298, 299], "loss": list(range(151, 300))}


def test_abandoned_branches_come_only_when_asked(conn: Connection) -> None:
    run = submit_external(conn)
    path = LivingPath({0: 20, 1: None})
    metrics.add_columns(conn, run, [column("loss", [10, 20, 30]), column("loss", [25], 1)], newest=True)
    metrics.add_columns(conn, run, [column("loss", [40])], newest=True)
    for ghosts, expected in ((False, [10, 20, 25]), (True, [10, 20, 30, 40, 25])):
        (read,) = curves.read_lines(conn, [Line(run.pk, "loss", path)], Window(), ghosts=ghosts)
        assert [step for piece in read.pieces for step in piece.points.steps] == expected


def test_more_points_than_a_request_reads_are_refused(conn: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [Line(pk, key, ALIVE) for pk in fill(conn, 2, 1) for key in KEYS]
    monkeypatch.setattr(curves, "MAX_READ", 500)
    with pytest.raises(TooLarge, match="600 points"):
        list(curves.read_lines(conn, lines, Window()))


def place(axis: Axis, steps: list[int], *, segment: int = 0, ghost: bool = False) -> tuple[list[int], list[float]]:
    points = PointColumns(np.array(steps, np.int64), np.zeros(len(steps)), np.array(steps, float) / 10)
    placed = axis(Piece(segment, ghost, points))
    assert placed.x is not None
    return placed.piece.points.steps.tolist(), placed.x.tolist()


def test_a_time_axis_counts_seconds_from_its_origin() -> None:
    assert place(axes.make_time_axis(2.0), [20, 25]) == ([20, 25], [0.0, 0.5])


def test_an_epoch_axis_is_straight_between_validations() -> None:
    axis = axes._make_epoch_axis({0: 0.0, 100: 1.0, 300: 2.0})
    assert place(axis, [50, 100, 200, 400]) == ([50, 100, 200, 400], [0.5, 1.0, 1.5, 2.5])


def test_a_metric_axis_takes_the_last_value_before_a_step(conn: Connection) -> None:
    run = submit_external(conn)
    values = PointColumns(np.array([10, 20, 30]), np.array([0.1, 0.2, 0.3]), np.zeros(3))
    metrics.add_columns(conn, run, [Column(0, "lr", values)], newest=True)
    line = Line(run.pk, "loss", LivingPath({0: 20, 1: None}))
    axis = axes.read_metric_axes(conn, [line], "lr", Window(), budget=Budget())[run.pk]
    assert place(axis, [5, 10, 19, 25]) == ([10, 19, 25], [0.1, 0.1, 0.2])
    assert place(axis, [31], ghost=True) == ([31], [0.3])
    assert axes.read_metric_axes(conn, [line], "none", Window(), budget=Budget()) == {}


TAILS = [
    (Window(250), None, 50),
    (Window(), 249, 50),
    (Window(205, 210), 100, 5),
    (Window(last_step=5), None, 5),
]


def test_a_metric_axis_reads_only_what_the_lines_need(conn: Connection) -> None:
    run = submit_external(conn)
    for start in range(0, 300, 5):
        metrics.add_columns(conn, run, [column("lr", list(range(start, start + 5)))], newest=True)
    for window, after, most in TAILS:
        budget = Budget()
        line = Line(run.pk, "loss", ALIVE, after=after)
        axis = axes.read_metric_axes(conn, [line], "lr", window, budget=budget)[run.pk]
        first = max(window.first_step or 0, (after or -1) + 1)
        assert curves.MAX_READ - budget.left <= most + 5
        assert place(axis, [first]) == ([first], [np.sin(first / 7)])


def test_a_metric_axis_reaches_back_to_the_value_before(conn: Connection) -> None:
    run = submit_external(conn)
    for step in (10, 20, 30):
        metrics.add_columns(conn, run, [column("lr", [step])], newest=True)
    metrics.add_columns(conn, run, [column("lr", [60], 1)], newest=True)
    line = Line(run.pk, "loss", LivingPath({0: 25, 1: None}))
    axis = axes.read_metric_axes(conn, [line], "lr", Window(40, 70), budget=Budget())[run.pk]
    assert place(axis, [40, 65], segment=1) == ([40, 65], [np.sin(20 / 7), np.sin(60 / 7)])


def test_an_axis_and_its_curves_share_one_budget(conn: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    (pk,) = fill(conn, 1, 3)
    monkeypatch.setattr(curves, "MAX_READ", 500)
    lines, budget = [Line(pk, "loss", ALIVE)], Budget()
    axes.read_metric_axes(conn, lines, "lr", Window(), budget=budget)
    with pytest.raises(TooLarge, match="600 points"):
        list(curves.read_lines(conn, lines, Window(), budget=budget))


TOTALS: list[tuple[dict[str, Any], bool, int]] = [
    ({}, True, 3001),
    ({}, False, 2501),
    ({"first_step": 100}, False, 2401),
    ({"first_step": 100, "last_step": 119}, True, 20),
    ({"first_step": 1990, "max_points": 10}, True, 1011),
]


def test_a_total_counts_the_points_that_are_asked_for(conn: Connection) -> None:
    run = submit_external(conn)
    path = LivingPath({0: 2499, 1: None})
    for start in (0, 2000):
        steps = list(range(start, min(start + 2000, 3000)))
        metrics.add_columns(conn, run, [column("loss", steps)], newest=True)
    metrics.add_columns(conn, run, [column("loss", [2600], 1)], newest=True)
    for window, ghosts, total in TOTALS:
        (read,) = curves.read_lines(conn, [Line(run.pk, "loss", path)], Window(**window), ghosts=ghosts)
        assert read.total == total, window


def test_a_curve_of_many_segments_keeps_to_max_points(conn: Connection) -> None:
    run = submit_external(conn)
    path = LivingPath({number: 10 * number + 9 for number in range(40)})
    for number in range(60):
        steps = list(range(10 * number, 10 * number + 10))
        metrics.add_columns(conn, run, [column("loss", steps, number)], newest=True)
    line = Line(run.pk, "loss", path, keep=205)
    for most in (2, 10, 50, 70, 400, 1000):
        (read,) = curves.read_lines(conn, [line], Window(max_points=most))
        steps = [step for piece in read.pieces for step in piece.points.steps]
        assert min(most, 60) <= len(steps) <= most
        assert 205 in steps
        assert sum(not piece.ghost for piece in read.pieces) == min(most, 40)
