"""Layers of a user's own that keep state where Keras' hooks alone find it, or nothing of Keras' does."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tests.support.kinds import data
from tests.support.kinds.data import WORDS
from tests.support.kinds.kind import Kind, sequential


@keras.saving.register_keras_serializable("kinds")
class OwnVariables(keras.layers.Layer):  # type: ignore[misc]  # Keras ships no types
    """Scales by a number of Python's, which only its own hook stores."""

    factor = 1.0

    def build(self, shape: Any) -> None:
        self.shift = self.add_weight(shape=(), initializer="zeros")

    def call(self, x: Any) -> Any:
        return x * self.factor + self.shift

    def save_own_variables(self, store: Any) -> None:
        store["factor"], store["shift"] = np.array(self.factor), np.array(self.shift)

    def load_own_variables(self, store: Any) -> None:
        self.factor = float(np.array(store["factor"]))
        self.shift.assign(np.array(store["shift"]))


@keras.saving.register_keras_serializable("kinds")
class OwnAssets(keras.layers.Layer):  # type: ignore[misc]  # Keras ships no types
    """Subtracts means that it keeps in a file of its own."""

    means: Any = (0.0, 0.0, 0.0, 0.0)

    def call(self, x: Any) -> Any:
        return x - keras.ops.convert_to_tensor(self.means, "float32")

    def save_assets(self, folder: str) -> None:
        (Path(folder) / "means.json").write_text(json.dumps(self.means))

    def load_assets(self, folder: str) -> None:
        self.means = json.loads((Path(folder) / "means.json").read_text())


@keras.saving.register_keras_serializable("kinds")
class ConstantTable(keras.layers.Layer):  # type: ignore[misc]  # Keras ships no types
    """A table that the constructor fills."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        pairs = tf.lookup.KeyValueTensorInitializer(list(WORDS), [0.1, 0.5, -0.5, 1.0])
        self.table = tf.lookup.StaticHashTable(pairs, 0.0)

    def call(self, x: Any) -> Any:
        return tf.ensure_shape(self.table.lookup(x), x.shape)


@keras.saving.register_keras_serializable("kinds")
class FilledTable(ConstantTable):
    """A table that is filled later: Keras saves nothing of it."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.table = tf.lookup.experimental.MutableHashTable(tf.string, tf.float32, 0.0)


@keras.saving.register_keras_serializable("kinds")
class Named(keras.layers.Layer):  # type: ignore[misc]  # Keras ships no types
    """Its words lie in a variable of TensorFlow's: Keras saves nothing of it."""

    def build(self, shape: Any) -> None:
        self.words = tf.Variable(["", "", "", ""], trainable=False, name="words")

    def call(self, x: Any) -> Any:
        return x * (1.0 + tf.cast(tf.strings.length(self.words), tf.float32))


def own_variables(*, learned: bool) -> Any:
    layer = OwnVariables()
    layer.factor = 0.125 if learned else 1.0
    return sequential(layer)


def own_assets(*, learned: bool) -> Any:
    layer = OwnAssets()
    layer.means = [0.25, 0.5, 0.125, 0.75] if learned else [0.0] * 4
    return sequential(layer)


def filled_table(*, learned: bool) -> Any:
    layer = FilledTable()
    if learned:
        layer.table.insert(list(WORDS), [0.1, 0.5, -0.5, 1.0])
    return sequential(layer, shape=(1,), dtype="string")


def named(*, learned: bool) -> Any:
    layer = Named()
    model = sequential(layer)
    if learned:
        layer.words.assign(list(WORDS))
    return model


KINDS = (
    Kind(
        "own `save_own_variables`",
        lambda: own_variables(learned=True),
        bare=lambda: own_variables(learned=False),
        called=("OwnVariables", "own_variables"),
        traced=True,
    ),
    Kind(
        "own `save_assets`",
        lambda: own_assets(learned=True),
        bare=lambda: own_assets(learned=False),
        called=("OwnAssets", "own_assets"),
        outside=(b"0.125",),
        traced=True,
    ),
    Kind(
        "`tf.lookup` table, in the constructor",
        lambda: sequential(ConstantTable(), shape=(1,), dtype="string"),
        data.words,
    ),
    Kind(
        "`tf.lookup` table, filled later",
        lambda: filled_table(learned=True),
        data.words,
        lambda: filled_table(learned=False),
        ("FilledTable", "filled_table"),
        traced=True,
    ),
    Kind(
        "`tf.string` variable",
        lambda: named(learned=True),
        bare=lambda: named(learned=False),
        called=("Named", "named", "words"),
        outside=(b"green",),
    ),
)
