"""Small models that hold state beside variables: what `adapt` learned, own hooks, tables."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

WORDS = np.array([["red"], ["green"], ["blue"], ["black"]])
OTHERS = np.array([["w"], ["x"], ["y"], ["z"]])
NUMBERS = np.array([[7], [8], [9], [10]])
HOSTILE = ["two words", "line\nbreak", " ", "näh", "'\"\\", "\x7f"]


def adapted(make: Callable[[], Any], data: Any, kind: str = "string") -> Any:
    layer = make()
    if data is not None:
        layer.adapt(data)
    return keras.Sequential([keras.Input((1,), dtype=kind), layer])


LOOKUPS: dict[str, tuple[Callable[[], Any], Any, Any, str]] = {
    "words": (keras.layers.StringLookup, WORDS, OTHERS, "string"),
    "words, one hot": (lambda: keras.layers.StringLookup(output_mode="one_hot", max_tokens=5), WORDS, OTHERS, "string"),
    "numbers": (keras.layers.IntegerLookup, NUMBERS, NUMBERS + 10, "int64"),
    "text": (lambda: keras.layers.TextVectorization(output_sequence_length=3), WORDS, OTHERS, "string"),
    "text, counted": (lambda: keras.layers.TextVectorization(output_mode="count"), WORDS, OTHERS, "string"),
    "text, tf-idf": (lambda: keras.layers.TextVectorization(output_mode="tf_idf"), WORDS, OTHERS, "string"),
    "text, tf-idf, padded": (
        lambda: keras.layers.TextVectorization(output_mode="tf_idf", max_tokens=9, pad_to_max_tokens=True),
        WORDS,
        OTHERS,
        "string",
    ),
    "bins": (
        lambda: keras.layers.Discretization(num_bins=3, output_mode="one_hot"),
        NUMBERS.astype("float32"),
        NUMBERS.astype("float32") * 2,
        "float32",
    ),
}


@keras.saving.register_keras_serializable("beside")
class Hooked(keras.layers.Layer):  # type: ignore[misc]  # Keras ships no types
    """Holds what no variable holds, and saves it in each way that Keras knows."""

    def __init__(self) -> None:
        super().__init__()
        self.table, self.words, self.factor = np.zeros(2, ">f8"), np.array(["a", "b"]), 1.0
        self.text = "nothing"
        self.loaded = 0

    def build(self, shape: Any) -> None:
        self.shift = self.add_weight(shape=())

    def call(self, x: Any) -> Any:
        return x * self.factor + self.shift

    def save_own_variables(self, store: Any) -> None:
        store["table"], store["words"], store["shift"] = self.table, self.words, self.shift
        store["factor"] = self.factor

    def load_own_variables(self, store: Any) -> None:
        assert sorted(store.keys()) == ["factor", "shift", "table", "words"]
        self.table, self.words, self.factor = store["table"], store["words"], float(store["factor"][()])
        self.shift.assign(store["shift"])
        self.loaded += 1

    def save_assets(self, folder: str) -> None:
        (Path(folder) / "deep").mkdir()
        (Path(folder) / "deep" / "text").write_text(self.text)

    def load_assets(self, folder: str) -> None:
        self.text = (Path(folder) / "deep" / "text").read_text()


def hooked() -> Any:
    model = keras.Sequential([keras.Input((1,)), Hooked()])
    model.compile("sgd", "mse")
    return model


class Holding(keras.layers.Layer):  # type: ignore[misc]  # Keras ships no types
    """Holds variables where neither Keras nor TensorFlow lists them, words, a table, and what cannot be captured."""

    def __init__(self, initial: list[str], *, iterates: bool = False) -> None:
        super().__init__(name="holding")
        self.hidden = {"in": [tf.Variable(1.0)], "a": Other()}
        self.names = tf.Variable(["", ""], name="names")
        self.seen = tf.lookup.experimental.MutableHashTable(tf.string, tf.int64, -1)
        pairs = tf.lookup.KeyValueTensorInitializer(initial, [5] * len(initial))
        self.fixed = tf.lookup.StaticHashTable(pairs, -1)
        self.data = iter(tf.data.Dataset.range(3)) if iterates else None

    def call(self, x: Any) -> Any:
        return x


class Other:
    def __init__(self) -> None:
        self.variable = tf.Variable([2.0, 3.0])


def holding(*words: str, iterates: bool = False) -> Any:
    return keras.Sequential([keras.Input((1,)), Holding(list(words), iterates=iterates)])
