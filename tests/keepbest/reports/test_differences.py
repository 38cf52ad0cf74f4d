"""What differs between runs: tables of values."""

from __future__ import annotations

import math
from typing import Any

import pytest

from keepbest.contract.comparisons import ComparedMetric, MetricCell
from keepbest.reports.differences import ComparedRow, compare_fields, compare_metrics

DIFFERS = [
    ((1, 1), False),
    ((1, 1.0), False),
    ((1, True), True),
    ((math.nan, math.nan), False),
    ((math.nan, 1.0), True),
    (([1, 2], [1, 2]), False),
    ((None, None), False),
    ((None, 0), True),
    ((1, 1, 2), True),
]

BEST = [
    ((1.0, 2.0), "min", 0),
    ((1.0, 2.0), "max", 1),
    ((2.0, 2.0), "max", None),
    ((math.nan, 2.0, 1.0), "max", 1),
    ((None, 2.0), "max", None),
    ((1.0, 2.0), None, None),
]


@pytest.mark.parametrize(("values", "differs"), DIFFERS)
def test_values_differ_by_what_they_say(values: tuple[Any, ...], differs: bool) -> None:
    assert ComparedRow("x", values).differs is differs


@pytest.mark.parametrize(("values", "mode", "place"), BEST)
def test_the_best_is_known_by_the_direction(values: tuple[Any, ...], mode: Any, place: int | None) -> None:
    assert ComparedRow("x", values, mode).best == place


def test_deltas_are_taken_from_the_first() -> None:
    assert ComparedRow("x", (1.0, 1.5, None, math.inf)).deltas == (0.0, 0.5, None, None)


def test_what_differs_comes_first() -> None:
    rows = compare_fields([{"a": 1, "c": {"d": 1, "e": {}}}, {"a": 1, "b": 2, "c": {"d": 2, "e": {}}}])
    assert [(row.name, row.values) for row in rows] == [
        ("c.d", (1, 2)),
        ("b", (None, 2)),
        ("a", (1, 1)),
        ("c.e", ({}, {})),
    ]


def test_metrics_have_a_row_of_the_best_and_of_the_last() -> None:
    cells = [MetricCell(best=0.25, best_step=2, last=0.5, last_step=3), None]
    metrics = [ComparedMetric(key=key, mode="min" if key == "loss" else None, cells=cells) for key in ("loss", "odd")]
    best, last = compare_metrics([*metrics, ComparedMetric(key="system/cpu", mode="min", cells=cells)])
    assert best == [ComparedRow("loss", (0.25, None), "min")]
    assert last == [ComparedRow("loss", (0.5, None), "min"), ComparedRow("odd", (0.5, None))]
