"""Layers that hold more than weights, or whose weights are not what they were made with."""

from __future__ import annotations

from typing import Any

import keras

from tests.support.kinds import data
from tests.support.kinds.kind import BATCH, Kind, compiled, head, sequential

layers = keras.layers


class NotRegistered(keras.layers.Layer):  # type: ignore[misc]  # Keras ships no types
    """Keras cannot find this class in another process."""

    def build(self, shape: Any) -> None:
        self.scale = self.add_weight(shape=(shape[-1],), initializer="random_normal")

    def call(self, x: Any) -> Any:
        return x + self.scale


@keras.saving.register_keras_serializable("kinds")
class Noise(keras.layers.Layer):  # type: ignore[misc]  # Keras ships no types
    """Draws from a generator of its own; while it trains, and when it is used."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.seeds = keras.random.SeedGenerator(7)

    def call(self, x: Any) -> Any:
        return x + 0.1 * keras.random.normal(keras.ops.shape(x), seed=self.seeds)


def lora() -> Any:
    model = keras.Sequential([layers.Input((4,)), layers.Dense(6, "relu"), head()])
    model.layers[0].enable_lora(2)
    return compiled(model)


def int8() -> Any:
    model = keras.Sequential([layers.Input((4,)), layers.Dense(6, "relu"), head()])
    model.quantize("int8")
    return compiled(model)


def stateful() -> Any:
    inputs = layers.Input(batch_shape=(BATCH, 3, 2))
    return compiled(keras.Model(inputs, head()(layers.LSTM(4, stateful=True)(inputs))))


def augmented() -> Any:
    random = [layers.RandomFlip(), layers.RandomRotation(0.1), layers.GaussianNoise(0.1)]
    return sequential(*random, layers.Flatten(), layers.Dropout(0.2), shape=(6, 6, 1))


def _twice(x: Any) -> Any:
    return x * 2


def both(kind: Any) -> Any:
    return layers.Bidirectional(kind(3))


KINDS = (
    Kind(
        "BatchNorm, Dropout",
        lambda: sequential(layers.Dense(6), layers.BatchNormalization(), layers.Dropout(0.3)),
        traced=True,
    ),
    Kind("stateful RNN", stateful, data.sequences),
    Kind("bidirectional RNN", lambda: sequential(both(layers.GRU), shape=(3, 2)), data.sequences),
    Kind("spectral normalization", lambda: sequential(layers.SpectralNormalization(layers.Dense(6, "relu")))),
    Kind("LoRA", lora),
    Kind("int8", int8),
    Kind("seed generator of a layer", lambda: sequential(Noise())),
    Kind("random augmentation", augmented, data.pictures),
    Kind("Lambda", lambda: sequential(layers.Lambda(_twice)), called=("_twice",)),
    Kind("layer, not registered", lambda: sequential(NotRegistered()), called=("NotRegistered",)),
)
