"""Layers that learn from data before training, and keep what they learned in other places than weights."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tests.support.kinds import data
from tests.support.kinds.kind import Kind, compiled, head, sequential

layers = keras.layers


@keras.saving.register_keras_serializable("kinds")
class Normalized(keras.Model):  # type: ignore[misc]  # Keras ships no types
    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.normalization, self.out = layers.Normalization(), head()

    def call(self, x: Any) -> Any:
        return self.out(self.normalization(x))


def adapted(layer: Any, values: Any) -> Any:
    layer.adapt(values)
    return layer


def normalization(*, learned: bool) -> Any:
    layer = layers.Normalization()
    return sequential(adapted(layer, data.measured()[0]) if learned else layer)


def normalization_inside(learn_from: Any) -> Any:
    model = Normalized()
    model.normalization.adapt(learn_from)
    return compiled(model)


def lookup(layer: Any, dtype: str, learn_from: Any = None) -> Any:
    """Return a network of one-hot words or numbers."""
    return sequential(layer if learn_from is None else adapted(layer, learn_from), shape=(1,), dtype=dtype)


def string_lookup(**options: Any) -> Any:
    return layers.StringLookup(output_mode="multi_hot", max_tokens=6, pad_to_max_tokens=True, **options)


def integer_lookup(**options: Any) -> Any:
    return layers.IntegerLookup(output_mode="multi_hot", max_tokens=6, pad_to_max_tokens=True, **options)


def text_vectorization(learn_from: Any = None, **options: Any) -> Any:
    layer = layers.TextVectorization(max_tokens=12, output_sequence_length=4, **options)
    layer = layer if learn_from is None else adapted(layer, learn_from)
    return sequential(layer, layers.Embedding(12, 3), layers.Flatten(), shape=(1,), dtype="string")


def tf_idf(learn_from: Any = None) -> Any:
    return lookup(
        layers.TextVectorization(max_tokens=11, output_mode="tf_idf", pad_to_max_tokens=True), "string", learn_from
    )


def from_file(make: Callable[[str], Any], lines: Sequence[object]) -> Any:
    """Return what is made of a vocabulary in a file, which is gone when training begins."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "vocabulary.txt"
        file.write_text("\n".join(map(str, lines)))
        return make(str(file))


def discretization(*, learned: bool) -> Any:
    layer = layers.Discretization(num_bins=4, output_mode="multi_hot")
    return sequential(adapted(layer, data.table()[0]) if learned else layer)


def hashing() -> Any:
    return lookup(layers.Hashing(5, output_mode="multi_hot"), "string")


def feature_space() -> Any:
    space = keras.utils.FeatureSpace({"size": "float_normalized", "color": "string_categorical"}, output_mode="concat")
    space.adapt(tf.data.Dataset.from_tensor_slices(data.records()[0]))
    return compiled(keras.Model(space.get_inputs(), head()(space.get_encoded_features())))


def constants() -> Any:
    mean, variance = np.array([[300, -20, 4, 0], [400, 9, 0.1, 1]], "float32")
    return sequential(layers.Normalization(mean=mean, variance=variance))


def _words(name: str, dtype: str, values: Callable[[], Any], make: Callable[..., Any], known: Any) -> list[Kind]:
    """Return the three ways in which a lookup gets its vocabulary."""

    def build(learn_from: Any = None, **options: Any) -> Any:
        return lookup(make(**options), dtype, learn_from)

    outside = tuple(str(one).encode() for one in known)
    return [
        Kind(f"{name}, adapted", lambda: build(values()[0]), values, build, (name,), outside=outside, traced=True),
        Kind(f"{name}, from a file", lambda: from_file(lambda file: build(vocabulary=file), known), values),
        Kind(f"{name}, in the constructor", lambda: build(vocabulary=list(known)), values),
    ]


KINDS = (
    Kind(
        "Normalization",
        lambda: normalization(learned=True),
        data.measured,
        lambda: normalization(learned=False),
        traced=True,
    ),
    Kind(
        "Normalization in a subclass",
        lambda: normalization_inside(data.measured()[0]),
        data.measured,
        lambda: normalization_inside(data.table()[0]),  # Keras cannot build one that has learned nothing
    ),
    Kind("Normalization with constants", constants, data.measured),
    *_words("StringLookup", "string", data.words, string_lookup, data.WORDS),
    *_words("IntegerLookup", "int64", data.numbers, integer_lookup, data.NUMBERS),
    Kind(
        "TextVectorization, adapted",
        lambda: text_vectorization(data.texts()[0]),
        data.texts,
        text_vectorization,
        ("TextVectorization", "text_vectorization"),
        outside=(b"grass",),
    ),
    Kind(
        "TextVectorization, from a file",
        lambda: from_file(lambda file: text_vectorization(vocabulary=file), ["red", "sky", "blue"]),
        data.texts,
    ),
    Kind(
        "TextVectorization, in the constructor",
        lambda: text_vectorization(vocabulary=["red", "sky", "blue"]),
        data.texts,
    ),
    Kind("TextVectorization, tf-idf", lambda: tf_idf(data.texts()[0]), data.texts, tf_idf, outside=(b"grass",)),
    Kind(
        "Discretization", lambda: discretization(learned=True), bare=lambda: discretization(learned=False), traced=True
    ),
    Kind("Hashing", hashing, data.words),
    Kind("FeatureSpace", feature_space, data.records),
)
