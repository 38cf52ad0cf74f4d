"""Retention: tables of checkpoints, by step, and the steps that stay."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keepbest.checkpoint.upkeep.retention import Mode, decide, find_eligible
from keepbest.contract.base import CheckpointKind
from keepbest.contract.policies import RetentionSpec
from keepbest.selection.selectors import build
from keepbest.selection.syntax import parse
from tests.support.states import NOON


@dataclass(frozen=True)
class Point:
    step: int
    value: float | None = None
    kind: CheckpointKind = "best"
    seconds: int | None = None
    n: int | None = None

    @property
    def id(self) -> str:
        return f"{self.step}"

    @property
    def at(self) -> datetime:
        return NOON + timedelta(seconds=self.step if self.seconds is None else self.seconds)


RISING = [Point(10, 0.1), Point(20, 0.5), Point(30, 0.3), Point(40, 0.5), Point(50, 0.2)]
TABLE: list[tuple[str, list[Point], dict[str, Any], Mode | None, list[int]]] = [
    ("the default: the best and the last", RISING, {}, "max", [20, 50]),
    ("of equals the earlier", RISING, {"best": 2, "last": 0}, "max", [20, 40]),
    ("smaller is better", RISING, {"last": 0}, "min", [10]),
    ("more than there are", RISING, {"best": 9, "last": 9}, "min", [10, 20, 30, 40, 50]),
    ("one is best and last", RISING[:2], {}, "max", [20]),
    ("nothing is ranked before the mode is known", RISING, {"best": 3}, None, [50]),
    ("nothing is left: the newest", RISING, {"last": 0}, None, [50]),
    ("each 20 steps", RISING, {"last": 0, "every_steps": 20}, "max", [20, 40]),
    ("each 15 steps, the first at or after", RISING, {"last": 0, "every_steps": 15}, "min", [10, 20, 30, 50]),
    ("not a number is never best", [Point(1, math.nan), Point(2, math.inf), Point(3, 0.1)], {"last": 0}, "max", [3]),
    ("no value, no best", [Point(1, 0.5), Point(2, None, "last"), Point(3, None, "last")], {}, "max", [1, 3]),
    ("what was asked for", [Point(1, 0.5), Point(2, None, "manual"), Point(3, None, "last")], {}, "max", [1, 2, 3]),
    ("after a roll back the newest is not the furthest", [Point(9, 0.1), Point(5, 0.2, seconds=99)], {}, "max", [5]),
    ("nothing", [], {}, "max", []),
]


def steps(points: list[Point], spec: dict[str, Any], mode: Mode | None, **more: Any) -> list[int]:
    verdicts = decide(points, RetentionSpec(**spec), mode=mode, **more)
    return sorted(int(verdict.id) for verdict in verdicts if verdict.stays)


@pytest.mark.parametrize(("points", "spec", "mode", "stay"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE])
def test_what_stays(points: list[Point], spec: dict[str, Any], mode: Mode | None, stay: list[int]) -> None:
    assert steps(points, spec, mode) == stay
    assert steps(points[::-1], spec, mode) == stay  # the order in which they are listed says nothing


def test_pinned_and_needed_stay_whatever_else() -> None:
    needed = {"30": "the tracker's best"}
    assert steps(RISING, {}, "max", pinned={"10", "77"}, needed=needed) == [10, 20, 30, 50]


def test_every_reason_is_told() -> None:
    verdicts = decide(RISING, RetentionSpec(every_steps=20), mode="max", pinned=["20"], needed={"20": "a lease"})
    assert [verdict.reasons for verdict in verdicts] == [
        (),
        ("best", "each 20 steps", "pinned", "a lease"),
        (),
        ("each 20 steps",),
        ("last",),
    ]


def test_the_newest_selected_model_stays_neither_best_nor_last() -> None:
    made = [Point(41, 0.99, "selected", seconds=60), Point(42, 0.98, "selected", seconds=70)]
    verdicts = decide([*RISING, *made], RetentionSpec(), mode="max")
    assert [verdict.reasons for verdict in verdicts if verdict.stays] == [("best",), ("last",), ("selected",)]
    assert verdicts[-1].stays


@pytest.mark.parametrize(
    ("selector", "eligible"),
    [
        ("best", []),
        ("top_k_average(k=2)", [2, 3]),
        ("one_standard_error", [2, 3]),  # 0.9 +- 0.03
    ],
)
def test_what_the_selector_may_choose(selector: str, eligible: list[int]) -> None:
    points = [Point(1, 0.8, n=100), Point(2, 0.88, n=100), Point(3, 0.9, n=100), Point(4, None, "last")]
    points.append(Point(3, 0.95, "selected", n=100, seconds=9))
    found = find_eligible(points, build(parse(selector)), "max")
    assert sorted(int(id) for id in found) == eligible
    assert find_eligible(points, build(parse(selector)), None) == {}


POINTS = st.lists(
    st.builds(Point, st.integers(0, 99), st.none() | st.floats()), max_size=20, unique_by=lambda point: point.step
)


@given(POINTS, st.integers(1, 5), st.integers(0, 5), st.none() | st.integers(1, 50), st.sampled_from(["min", "max"]))
def test_deciding_twice_is_deciding_once(
    points: list[Point], best: int, last: int, every_steps: int | None, mode: Mode
) -> None:
    spec = {"best": best, "last": last, "every_steps": every_steps}
    once = steps(points, spec, mode)
    assert steps([point for point in points if point.step in once], spec, mode) == once
    assert bool(once) == bool(points)
