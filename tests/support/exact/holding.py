"""Small networks that hold state beside variables, or build some of it late."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from tests.support.exact.data import BATCH, CLASSES
from tests.support.exact.networks import dense

layers = keras.layers


def normalized() -> Any:
    return keras.Sequential([layers.Input((8,)), layers.Normalization(), *_head()])


def looked_up() -> Any:
    lookup = [layers.Input((6,), dtype="string"), layers.StringLookup(max_tokens=40), layers.Embedding(40, 4)]
    return keras.Sequential([*lookup, layers.Flatten(), *_head()])


def stateful() -> Any:
    """What it has seen of the batches before decides what it makes of the next."""
    return keras.Sequential([layers.Input((5, 3), batch_size=BATCH), layers.LSTM(6, stateful=True), *_head()])


def counting() -> Any:
    return keras.Sequential([layers.Input((8,)), Counting(), *_head()])


@keras.saving.register_keras_serializable("exact")
class Counting(keras.layers.Layer):  # type: ignore[misc]  # Keras ships no types
    """Counts in Python alone; what Keras' hook saves of it is all there is."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.seen = 0

    def call(self, x: Any, training: bool | None = None) -> Any:
        self.seen += bool(training)
        return x * (1 + 0.01 * self.seen)

    def save_own_variables(self, store: Any) -> None:
        store["seen"] = self.seen

    def load_own_variables(self, store: Any) -> None:
        self.seen = int(store["seen"])


@keras.saving.register_keras_serializable("exact")
class TwoOptimizers(keras.Model):  # type: ignore[misc]  # Keras ships no types
    """The second moves the last layer; Keras knows of the first alone."""

    def __init__(self) -> None:
        super().__init__()
        self.inner, self.last = dense(), layers.Dense(CLASSES)
        self.second = keras.optimizers.SGD(0.1, momentum=0.9)

    def call(self, x: Any, training: bool | None = None) -> Any:
        return self.last(self.inner(x, training=training))

    def train_step(self, data: Any) -> dict[str, Any]:
        x, y = data
        with tf.GradientTape() as tape:
            loss = self.compute_loss(y=y, y_pred=self(x, training=True))
        parts = [self.inner.trainable_variables, self.last.trainable_variables]
        gradients = tape.gradient(loss, [[variable.value for variable in part] for part in parts])
        for optimizer, found, part in zip((self.optimizer, self.second), gradients, parts, strict=True):
            optimizer.apply(found, part)
        return {"loss": loss}


@keras.saving.register_keras_serializable("exact")
class LateHead(keras.Model):  # type: ignore[misc]  # Keras ships no types
    """Its second head is built by the first step of a training: no prediction needs it."""

    def __init__(self) -> None:
        super().__init__()
        self.body, self.head = layers.Dense(8, "relu"), layers.Dense(CLASSES)
        self.auxiliary = layers.Dense(CLASSES, name="auxiliary")

    def build(self, shape: Any) -> None:
        self.body.build(shape)
        self.head.build((None, 8))

    def call(self, x: Any, training: bool | None = None) -> Any:
        seen = self.body(x)
        return self.head(seen) + 0.3 * self.auxiliary(seen) if training else self.head(seen)


def _head() -> list[Any]:
    return [layers.Dense(8, activation="relu"), layers.Dropout(0.3), layers.Dense(CLASSES)]
