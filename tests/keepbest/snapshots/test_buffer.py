"""What memory holds: the newest and the best, within a number and a budget that counts what is shared once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from keepbest.errors import InvalidInput
from keepbest.memory_budget import budget_of, free_memory_bytes
from keepbest.snapshots.buffer import SnapshotBuffer, blocks_of
from keepbest.snapshots.state import Position, State, VariableSpec


def held(step: int, values: Sequence[Any] | None = None) -> State:
    values = values or [np.zeros(10, np.float32)]
    specs = tuple(VariableSpec("model", place, "k", value.shape, "float32") for place, value in enumerate(values))
    return State(Position(step), specs, tuple(values))


@pytest.mark.parametrize(
    ("count", "budget_bytes", "bests", "steps"),
    [
        (3, 10**6, {1, 2, 3, 4, 5}, [3, 4, 5]),
        (3, 10**6, {1}, [1, 4, 5]),
        (3, 10**6, set(), [3, 4, 5]),
        (9, 120, {2}, [2, 4, 5]),
        (9, 79, {2}, [2]),
        (9, 1, {2}, [2]),
        (1, 10**6, {5}, [5]),
    ],
)
def test_the_oldest_that_is_not_the_best_goes_first(
    count: int, budget_bytes: int, bests: set[int], steps: list[int]
) -> None:
    ring = SnapshotBuffer(count, budget_bytes)
    for step in range(1, 6):
        ring.keep(held(step), best=step in bests)
    assert [state.step for state in ring.states] == steps
    assert (ring.best.step if ring.best else None) == max(bests, default=None)
    assert ring.find(steps[0]) is ring.states[0]
    assert ring.find(0) is None
    assert ring.held_bytes == 40 * len(steps)


def test_what_is_shared_counts_once() -> None:
    """A frozen base of 4,000 bytes and heads of 400: the budget would be full with two, if the base counted twice."""
    base, ring = np.zeros(1000, np.float32), SnapshotBuffer(10, 5_300)
    for step in range(1, 6):
        ring.keep(held(step, [base, np.zeros(100, np.float32)]))
    assert [state.step for state in ring.states] == [3, 4, 5]
    memory = ring.memory
    assert (memory.held_bytes, memory.budget_bytes) == (5_200, 5_300)
    assert [one.size_bytes for one in memory.snapshots] == [4_400] * 3


def test_tensors_share_what_training_left_alone() -> None:
    import tensorflow as tf

    from keepbest.model.reader import VariableReader

    frozen, trained = tf.Variable(tf.zeros(1000)), tf.Variable(tf.zeros(100))
    reader, ring = VariableReader([frozen, trained]), SnapshotBuffer(3, "1MB")
    for step in range(3):
        ring.keep(held(step, list(reader.read())))
        trained.assign_add(tf.ones(100))
    first, second, third = map(blocks_of, ring.states)
    assert len(first.keys() & second.keys() & third.keys()) == 1
    assert ring.held_bytes == 4_000 + 3 * 400


def test_news_come_once_for_each_change() -> None:
    ring = SnapshotBuffer(2, 10**6)
    assert ring.take_news() is None
    ring.keep(held(1), best=True)
    ring.keep(held(2))
    news = ring.take_news()
    assert news is not None
    assert [(one.step, one.is_best) for one in news.snapshots] == [(1, True), (2, False)]
    assert ring.take_news() is None
    ring.forget()
    news = ring.take_news()
    assert news is not None
    assert (news.snapshots, news.held_bytes) == ([], 0)


@pytest.mark.parametrize(
    ("asked", "budget_bytes"),
    [
        (1234, 1234),
        ("1234", 1234),
        ("2GB", 2 * 10**9),
        ("2 gib", 2 * 2**30),
        ("1.5k", 1500),
        ("500MB", 500 * 10**6),
        ("0", 0),
        ("0%", 0),
    ],
)
def test_memory_as_people_say_it(asked: str | int, budget_bytes: int) -> None:
    assert budget_of(asked) == budget_bytes


def test_a_part_of_what_is_free() -> None:
    half, free = budget_of("50%"), free_memory_bytes()
    assert half == pytest.approx(free / 2, rel=0.2)


@pytest.mark.parametrize("asked", ["", "much", "-1", "2XB", "101%", "25 percent", "1e3", "GB", "2GB/s"])
def test_what_is_no_memory_is_refused(asked: str) -> None:
    with pytest.raises(InvalidInput, match="snapshots cannot be") as caught:
        budget_of(asked)
    assert "2GB" in (caught.value.hint or "")
