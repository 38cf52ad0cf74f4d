"""Small networks that each exercise another way in which TensorFlow updates variables, and data that is derived."""

from __future__ import annotations

import random
from typing import Any

import keras
import numpy as np
import tensorflow as tf

CLASSES = 4
BATCH = 8


def dense(optimizer: Any = None, **compile_options: Any) -> Any:
    layers = keras.layers
    return _compiled(
        [
            layers.Input((8,)),
            layers.Dense(16, activation="relu"),
            layers.BatchNormalization(),
            layers.Dropout(0.3),
            layers.Dense(CLASSES),
        ],
        optimizer or keras.optimizers.Adam(0.01),
        compile_options,
    )


def embedding(optimizer: Any = None, **compile_options: Any) -> Any:
    """Its updates are sparse: only the rows that a batch names are written."""
    layers = [
        keras.layers.Input((8,), dtype="int32"),
        keras.layers.Embedding(50, 6),
        keras.layers.Flatten(),
        keras.layers.Dense(CLASSES),
    ]
    return _compiled(layers, optimizer or keras.optimizers.SGD(0.1), compile_options)


def batch_at(step: int) -> tuple[Any, Any]:
    """Return batch `step`: whole numbers below 50, so that it suits an embedding too."""
    draw = np.random.default_rng([5, step])
    return draw.integers(0, 50, (BATCH, 8)), draw.integers(0, CLASSES, BATCH)


def train(model: Any, first: int, count: int) -> list[float]:
    """Train steps `first`, …; disturb each batch with all the random generators a script may use."""
    losses = []
    for step in range(first, first + count):
        x, y = batch_at(step)
        if model.inputs[0].dtype != "int32":
            noise = float(tf.random.get_global_generator().normal([]))
            x = x / 50 + np.random.normal() * 0.01 + random.random() * 0.01 + noise * 0.01
        losses.append(float(model.train_on_batch(x, y)))
    return losses


def _compiled(layers: list[Any], optimizer: Any, compile_options: dict[str, Any]) -> Any:
    model = keras.Sequential(layers)
    model.compile(optimizer, keras.losses.SparseCategoricalCrossentropy(from_logits=True), **compile_options)
    model.optimizer.build(model.trainable_variables)  # as training does in its first step
    return model


def seed_all(seed: int = 1) -> None:
    keras.utils.set_random_seed(seed)
    tf.random.set_global_generator(tf.random.Generator.from_seed(seed))


def bits(values: Any) -> list[bytes]:
    """Return the bytes of tensors, copied."""
    return [np.asarray(value).tobytes() for value in values]
