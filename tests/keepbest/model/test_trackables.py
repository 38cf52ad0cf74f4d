"""What lies below an object, in TensorFlow's order, and where TensorFlow refuses to look."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from keepbest.checkpoint import Store
from keepbest.checkpoint.export import export
from keepbest.errors import CheckpointError
from keepbest.keras import KeepBest
from keepbest.model.trackables import children_of, descendants_of
from keepbest.model.variables import TrainedObject
from tests.support.need import need_tensorflow

X, Y = np.arange(24, dtype="float32").reshape(12, 2) / 24, np.arange(12) % 2


def scheduled() -> Any:
    """A network whose rate became a schedule after its optimizer was made: Keras takes a variable out of a list."""
    import keras

    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2)])
    optimizer = keras.optimizers.AdamW(0.01)
    optimizer.learning_rate = keras.optimizers.schedules.ExponentialDecay(0.02, 2, 0.7)
    model.compile(optimizer, keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    return model


@pytest.fixture(autouse=True)
def seeded() -> None:
    need_tensorflow()
    import keras

    keras.utils.set_random_seed(1)


def fit(model: Any, *callbacks: Any, **options: Any) -> list[float]:
    return list(model.fit(X, Y, 4, verbose=0, shuffle=False, callbacks=callbacks, **options).history["loss"])


def test_a_schedule_set_later_trains_as_without_keepbest(tmp_path: Path) -> None:
    """keepbest stopped a fit that plain Keras runs: "Unable to save the object ListWrapper …"."""
    import keras

    plain = fit(scheduled(), epochs=5)
    keras.utils.set_random_seed(1)
    model = scheduled()
    keeper = KeepBest("loss", mode="min", patience=99, store=tmp_path)
    assert fit(model, keeper, epochs=2) == plain[:2]
    assert fit(model, keeper, epochs=4, initial_epoch=2) == plain[2:4]
    keeper.roll_back(step=6)
    assert fit(model, keeper, epochs=4, initial_epoch=2) == plain[2:4]
    fresh = KeepBest("loss", mode="min", patience=99, store=tmp_path, run=keeper.run.id, resume=True)
    assert fit(scheduled(), fresh, epochs=5) == plain[4:]


def test_the_form_of_tensorflow_is_refused_in_words(tmp_path: Path) -> None:
    model = scheduled()
    keeper = KeepBest("loss", mode="min", store=tmp_path)
    fit(model, keeper, epochs=1)
    store = Store(tmp_path)
    loaded = store.load_newest(keeper.run.id)
    assert loaded is not None
    with pytest.raises(CheckpointError, match="TensorFlow cannot write"):
        export(store, loaded, tmp_path / "out", "tf", model=model)
    assert export(store, loaded, tmp_path / "out", "tf").name == "model"  # made again, its rate is a schedule at once


def test_lists_and_dicts_that_were_changed_are_looked_into() -> None:
    import tensorflow as tf

    module = tf.Module()
    module.parts = [tf.Variable(1.0), tf.Variable(2.0), tf.Variable(3.0)]
    module.named = {"a": tf.Variable(4.0), "b": tf.Variable(5.0)}
    before = [float(one) for _, one in TrainedObject(module).variables()]
    del module.parts[0]
    module.named.pop("a")
    with pytest.raises(ValueError, match="Unable to save"):
        tf.train.TrackableView(module).descendants()
    assert before == [4.0, 5.0, 1.0, 2.0, 3.0]
    assert [float(one) for _, one in TrainedObject(module).variables()] == [5.0, 2.0, 3.0]


def test_the_order_is_tensorflows_own() -> None:
    import keras
    import tensorflow as tf

    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2), keras.layers.BatchNormalization()])
    model.compile("adam", "mse", metrics=["mae"])
    model.extra = {"z": tf.Variable(1.0), "a": [tf.Variable(2.0), tf.Module()]}
    theirs = tf.train.TrackableView(model).descendants()
    assert [id(one) for one in descendants_of(model)] == [id(one) for one in theirs]
    assert children_of(model).keys() == tf.train.TrackableView.children(model).keys()
