"""Snapshots by reference, and the ring of them. That no way of training changes one: test_exact.py."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from keepbest.checkpoint import Store
from keepbest.errors import CheckpointMismatch
from keepbest.snapshots.randomness import capture_random, restore_random
from keepbest.snapshots.snapshot import ModelVariables, capture, roll_back
from keepbest.snapshots.state import Position
from tests.support.states import RUN, about


def fit(model: Any, epochs: int = 1) -> list[float]:
    from tests.support.networks import BATCH, batch_at

    x, y = (np.concatenate(part) for part in zip(*(batch_at(step) for step in range(6)), strict=True))
    history = model.fit(x, y, batch_size=BATCH, epochs=epochs, shuffle=False, verbose=0).history
    return [float(loss) for loss in history["loss"]]


def test_the_whole_state_is_there() -> None:
    """`get_weights` and every Keras saver leave the dropout's seed out; `restore_best_weights` the optimizer too."""
    from tests.support.networks import dense

    specs = ModelVariables(dense()).specs
    assert [spec.dtype for spec in specs if "seed_generator" in spec.path] == ["int64"]
    optimizer = [spec.path.partition("/")[2] for spec in specs if spec.collection == "optimizer"]
    assert optimizer[:2] == ["iteration", "learning_rate"]
    assert len(specs) == 9 + 2 + 2 * 6


def test_reading_shares_memory_with_the_variable() -> None:
    """What makes a snapshot free: no byte is copied until training writes."""
    from tests.support.networks import dense

    model = dense()
    first, second = ModelVariables(model).read()[0], ModelVariables(model).read()[0]
    assert np.asarray(memoryview(first)).ctypes.data == np.asarray(memoryview(second)).ctypes.data


def test_a_restored_model_is_apart_from_its_source(tmp_path: Any) -> None:
    from tests.support.networks import bits, dense

    store, model = Store(tmp_path), dense()
    fit(model)
    written = store.write(capture(ModelVariables(model), position=Position(6)), about())
    loaded, other = store.load(RUN, written.manifest.id), dense()
    before = bits(loaded.arrays)
    for living in (model, other):  # twice from one `Loaded`
        loaded.load_into(living)
        fit(living)
        assert bits(ModelVariables(living).read()) != before
        assert bits(loaded.arrays) == before


def test_a_checkpoint_of_another_network_sets_nothing(tmp_path: Any) -> None:
    from tests.support.networks import bits, dense, embedding

    store, model = Store(tmp_path), embedding()
    written = store.write(capture(ModelVariables(dense()), position=Position(0)), about())
    before = bits(ModelVariables(model).read())
    with pytest.raises(CheckpointMismatch, match="model/0: shape"):
        store.load(RUN, written.manifest.id).load_into(model)
    assert bits(ModelVariables(model).read()) == before


def test_what_fits_can_be_taken_alone(tmp_path: Any) -> None:
    from tests.support.networks import bits, dense

    store, one, other = Store(tmp_path), dense(), dense("sgd")
    written = store.write(capture(ModelVariables(one), position=Position(0)), about())
    differences = store.load(RUN, written.manifest.id).load_into(other, strict=False)
    assert {difference.collection for difference in differences} == {"optimizer"}
    assert bits(v.value for v in other.variables) == bits(v.value for v in one.variables)


def test_rolling_back_another_model_is_refused() -> None:
    from tests.support.networks import dense, embedding

    with pytest.raises(CheckpointMismatch, match="5 variables are not the model's 23"):
        roll_back(ModelVariables(dense()), capture(ModelVariables(embedding()), position=Position(0)))


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
