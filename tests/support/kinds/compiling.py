"""What is compiled: losses and metrics of a user's own, several optimizers, precision, averages."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from tests.support.kinds.kind import CLASSES, Kind, compiled, head, sequential

layers, optimizers = keras.layers, keras.optimizers


def own_loss(y: Any, guess: Any) -> Any:
    """Keras cannot find it in another process."""
    return keras.losses.sparse_categorical_crossentropy(y, guess, from_logits=True) * 2


class OwnMetric(keras.metrics.SparseCategoricalAccuracy):  # type: ignore[misc]  # Keras ships no types
    """Keras cannot find this class in another process."""


@keras.saving.register_keras_serializable("kinds")
class TwoOptimizers(keras.Model):  # type: ignore[misc]  # Keras ships no types
    """Moves its halves one after the other, each by an optimizer of its own."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.hidden, self.out = layers.Dense(6, "relu"), head()

    def compile(self, first: Any, second: Any, **options: Any) -> None:
        super().compile(loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True), **options)
        self.first, self.second = first, second

    def get_compile_config(self) -> dict[str, Any]:
        return {name: keras.saving.serialize_keras_object(getattr(self, name)) for name in ("first", "second")}

    def compile_from_config(self, config: dict[str, Any]) -> None:
        self.compile(**{name: keras.saving.deserialize_keras_object(one) for name, one in config.items()})

    def call(self, x: Any) -> Any:
        return self.out(self.hidden(x))

    def train_step(self, data: Any) -> dict[str, Any]:
        x, y = data
        for optimizer, part in ((self.first, self.hidden), (self.second, self.out)):
            with tf.GradientTape() as tape:
                loss = self.compute_loss(y=y, y_pred=self(x, training=True))
            moved = part.trainable_variables
            optimizer.apply(tape.gradient(loss, [variable.value for variable in moved]), moved)
        return {"loss": loss}


def two_optimizers() -> Any:
    model = TwoOptimizers()
    model.compile(optimizers.Adam(0.05), optimizers.RMSprop(0.02), jit_compile=False)
    return model


def multi_optimizer() -> Any:
    chosen = optimizers.OptimizerMap(optimizers.Adam(0.05))
    chosen[".*out/.*"] = optimizers.SGD(0.1, momentum=0.9)
    model = keras.Sequential([layers.Input((4,)), layers.Dense(6, "relu"), layers.Dense(CLASSES, name="out")])
    return compiled(model, optimizers.MultiOptimizer(chosen))


def mixed() -> Any:
    keras.config.set_dtype_policy("mixed_float16")
    try:
        last = layers.Dense(CLASSES, dtype="float32")
        return compiled(keras.Sequential([layers.Input((4,)), layers.Dense(6, "relu"), last]))
    finally:
        keras.config.set_dtype_policy("float32")


def averaged() -> Any:
    return sequential(layers.Dense(6, "relu"), optimizer=optimizers.SGD(0.5, use_ema=True, ema_momentum=0.9))


def small() -> Any:
    return layers.Dense(6, "relu")


KINDS = (
    Kind("loss, not registered", lambda: sequential(small(), loss=own_loss), called=("own_loss",)),
    Kind("metric, not registered", lambda: sequential(small(), metrics=[OwnMetric()]), called=("OwnMetric",)),
    Kind("two optimizers", two_optimizers, traced=True),
    Kind("MultiOptimizer", multi_optimizer),
    Kind("mixed precision", mixed),
    Kind(
        "averages swapped in",
        averaged,
        callbacks=lambda: [keras.callbacks.SwapEMAWeights()],
        measures=True,
        traced=True,
    ),
)
