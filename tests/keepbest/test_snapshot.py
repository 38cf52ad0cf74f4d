"""Snapshots by reference: no way of training changes one, whatever the optimizer and however the step is run."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from keepbest.checkpoint import Store
from keepbest.errors import CheckpointMismatch
from keepbest.snapshot import Ring, Variables, capture, roll_back
from keepbest.state import Position, State, VariableSpec, capture_random, restore_random
from tests.support.states import RUN, about

WAYS: dict[str, dict[str, Any]] = {
    "eager": {"run_eagerly": True},
    "graph": {"jit_compile": False},
    "xla": {"jit_compile": True},
    "steps_per_execution": {"steps_per_execution": 3, "jit_compile": False},
}
#: Momentum and friends are updated by other operations than Adam's; the sparse rows are written in place.
CASES = [
    *[("dense", way) for way in WAYS],
    *[("embedding", way) for way in WAYS],
    ("averaged", "graph"),
    ("mixed", "graph"),
    ("averaged", "xla"),
]


def fit(model: Any, epochs: int = 1) -> list[float]:
    from tests.support.networks import BATCH, batch_at

    x, y = (np.concatenate(part) for part in zip(*(batch_at(step) for step in range(6)), strict=True))
    history = model.fit(x, y, batch_size=BATCH, epochs=epochs, shuffle=False, verbose=0).history
    return [float(loss) for loss in history["loss"]]


@pytest.mark.parametrize(("name", "way"), CASES)
def test_training_and_rolling_back_leave_a_snapshot_alone(name: str, way: str) -> None:
    from tests.support.networks import ROWS, bits, seed_all

    seed_all()
    model = ROWS[name](**WAYS[way])
    fit(model)
    variables = Variables(model)
    state = capture(variables, position=Position(6))
    before = bits(state.values)
    losses, end = fit(model, 2), bits(variables.read())
    assert bits(state.values) == before
    assert end != before
    roll_back(variables, state)
    assert bits(variables.read()) == before
    assert fit(model, 2) == losses
    assert bits(variables.read()) == end
    assert bits(state.values) == before


def test_the_whole_state_is_there() -> None:
    """`get_weights` and every Keras saver leave the dropout's seed out; `restore_best_weights` the optimizer too."""
    from tests.support.networks import dense

    specs = Variables(dense()).specs
    assert [spec.dtype for spec in specs if "seed_generator" in spec.path] == ["int64"]
    optimizer = [spec.path.partition("/")[2] for spec in specs if spec.collection == "optimizer"]
    assert optimizer[:2] == ["iteration", "learning_rate"]
    assert len(specs) == 9 + 2 + 2 * 6


def test_reading_shares_memory_with_the_variable() -> None:
    """What makes a snapshot free: no byte is copied until training writes."""
    from tests.support.networks import dense

    model = dense()
    first, second = Variables(model).read()[0], Variables(model).read()[0]
    assert np.asarray(memoryview(first)).ctypes.data == np.asarray(memoryview(second)).ctypes.data


def test_a_restored_model_and_what_it_was_restored_from_are_apart(tmp_path: Any) -> None:
    from tests.support.networks import bits, dense

    store, model = Store(tmp_path), dense()
    fit(model)
    written = store.write(capture(Variables(model), position=Position(6)), about())
    loaded, other = store.load(RUN, written.manifest.id), dense()
    before = bits(loaded.arrays)
    for living in (model, other):  # twice from one `Loaded`
        loaded.load_into(living)
        fit(living)
        assert bits(Variables(living).read()) != before
        assert bits(loaded.arrays) == before


def test_a_checkpoint_of_another_network_sets_nothing(tmp_path: Any) -> None:
    from tests.support.networks import bits, dense, embedding

    store, model = Store(tmp_path), embedding()
    written = store.write(capture(Variables(dense()), position=Position(0)), about())
    before = bits(Variables(model).read())
    with pytest.raises(CheckpointMismatch, match="model/0: shape"):
        store.load(RUN, written.manifest.id).load_into(model)
    assert bits(Variables(model).read()) == before


def test_what_fits_can_be_taken_alone(tmp_path: Any) -> None:
    from tests.support.networks import bits, dense

    store, one, other = Store(tmp_path), dense(), dense("sgd")
    written = store.write(capture(Variables(one), position=Position(0)), about())
    differences = store.load(RUN, written.manifest.id).load_into(other, strict=False)
    assert {difference.collection for difference in differences} == {"optimizer"}
    assert bits(v.value for v in other.variables) == bits(v.value for v in one.variables)


def test_rolling_back_another_model_is_refused() -> None:
    from tests.support.networks import dense, embedding

    with pytest.raises(CheckpointMismatch, match="5 variables are not the model's 23"):
        roll_back(Variables(dense()), capture(Variables(embedding()), position=Position(0)))


def test_random_numbers_go_on_where_they_were() -> None:
    import random

    import keras
    import tensorflow as tf

    def draw() -> list[Any]:
        generator = tf.random.get_global_generator()
        return [random.random(), np.random.normal(), float(generator.normal([])), float(keras.random.normal([]))]

    draw()
    states = capture_random()
    drawn = draw()
    assert draw() != drawn
    restore_random(states)
    assert draw() == drawn


class Value:
    """As much of a tensor as a ring looks at: one float32 a unit of its size."""

    def __init__(self, size: int) -> None:
        self.shape = (size,)
        self.dtype = type("F32", (), {"size": 4})


def held(step: int, size: int = 10) -> State:
    return State(Position(step), (VariableSpec("model", 0, "k", (size,), "float32"),), (Value(size),))


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
def test_the_ring_drops_the_oldest_that_is_not_the_best(
    count: int, budget_bytes: int, bests: set[int], steps: list[int]
) -> None:
    ring = Ring(count, budget_bytes)
    for step in range(1, 6):
        ring.keep(held(step), best=step in bests)
    assert [state.step for state in ring.states] == steps
    assert (ring.best.step if ring.best else None) == max(bests, default=None)
    assert ring.find(steps[0]) is ring.states[0]
    assert ring.find(0) is None
