"""Small networks: what each holds besides weights is what must not be lost."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from tests.support.exact.data import CLASSES, WORDS

layers = keras.layers


def dense() -> Any:
    return keras.Sequential([layers.Input((8,)), *_head()])


def mixed() -> Any:
    keras.config.set_dtype_policy("mixed_float16")
    try:
        return dense()
    finally:
        keras.config.set_dtype_policy("float32")


def convolution() -> Any:
    found = [layers.Input((8, 8, 1)), layers.Conv2D(4, 3, activation="relu"), layers.BatchNormalization()]
    return keras.Sequential([*found, layers.MaxPooling2D(), layers.SpatialDropout2D(0.2), *_classify()])


def augmentation() -> Any:
    """The layers draw from seeds of their own, which no weight file holds."""
    random = [
        layers.RandomFlip(),
        layers.RandomRotation(0.1),
        layers.RandomTranslation(0.1, 0.1),
        layers.RandomZoom(0.1),
        layers.RandomContrast(0.1),
        layers.GaussianNoise(0.1),
    ]
    return keras.Sequential([layers.Input((8, 8, 1)), *random, layers.Conv2D(4, 3), *_classify()])


def embedding() -> Any:
    """Its updates are sparse: only the rows that a batch names are written."""
    return keras.Sequential([layers.Input((6,), dtype="int32"), layers.Embedding(WORDS, 6), *_classify()])


def recurrent(kind: Any) -> Any:
    return keras.Sequential([layers.Input((5, 3)), kind(6, dropout=0.2, recurrent_dropout=0.2), *_classify()])


def two_by_two() -> Any:
    """A functional network; one of its inputs goes through an embedding, one of its outputs through the other."""
    numbers = layers.Input((8,), name="table")
    names = layers.Input((6,), dtype="int32", name="words")
    both = layers.Concatenate()([layers.Dense(6)(numbers), layers.Flatten()(layers.Embedding(WORDS, 3)(names))])
    one = layers.Dense(CLASSES, name="one")(layers.Dropout(0.2)(both))
    other = layers.Dense(CLASSES, name="other")(layers.Concatenate()([one, both]))
    return keras.Model({"table": numbers, "words": names}, {"one": one, "other": other})


@keras.saving.register_keras_serializable("exact")
class OwnStep(keras.Model):  # type: ignore[misc]  # Keras ships no types
    """Updates with the sum of two batches' gradients; what is summed up so far lies in variables of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = dense()
        self.sums = [self.add_weight(shape=w.shape, trainable=False) for w in self.inner.trainable_variables]
        self.calls = self.add_weight(shape=(), dtype="int32", initializer="zeros", trainable=False)

    def call(self, x: Any, training: bool | None = None) -> Any:
        return self.inner(x, training=training)

    def train_step(self, data: Any) -> dict[str, Any]:
        x, y = data
        with tf.GradientTape() as tape:
            loss = self.compute_loss(y=y, y_pred=self(x, training=True))
        variables = self.inner.trainable_variables
        gradients = tape.gradient(loss, [variable.value for variable in variables])
        self.calls.assign_add(1)
        is_second = tf.cast(tf.equal(self.calls % 2, 0), tf.float32)
        for total, gradient in zip(self.sums, gradients, strict=True):
            total.assign(total * (1 - is_second) + gradient)
        self.optimizer.apply(list(self.sums), variables)
        return {"loss": loss}


class Counter(keras.layers.Layer):  # type: ignore[misc]  # Keras ships no types
    """Counts and draws with what TensorFlow alone knows of: Keras lists neither among a model's variables."""

    def __init__(self) -> None:
        super().__init__()
        self.count = tf.Variable(0.0, trainable=False, name="count")
        self.generator = tf.random.Generator.from_seed(3)

    def call(self, x: Any) -> Any:
        self.count.assign_add(1.0)
        return x * (1 + 0.01 * self.count) + 0.1 * self.generator.normal(tf.shape(x))


class OwnVariables(keras.Model):  # type: ignore[misc]  # Keras ships no types
    def __init__(self) -> None:
        super().__init__()
        self.counter = Counter()
        self.inner = dense()

    def call(self, x: Any, training: bool | None = None) -> Any:
        return self.inner(self.counter(x), training=training)


def _head() -> list[Any]:
    return [layers.Dense(16, activation="relu"), layers.BatchNormalization(), *_classify()]


def _classify() -> list[Any]:
    return [layers.Flatten(), layers.Dropout(0.3), layers.Dense(CLASSES)]
