"""Fits a line and a curve by gradient descent: the first networks of the Chinese TensorFlow course."""

from __future__ import annotations

from typing import Any

from keepbest.training.spec import Training
from worker.data.splits import Split


def build_line(split: Split, *, learning_rate: float = 0.5) -> Training:
    """y = W x + b by gradient descent over all points at once; W begins between -1 and 1, b at 0."""
    import keras

    unit = keras.layers.Dense(1, kernel_initializer=keras.initializers.RandomUniform(-1.0, 1.0), name="line")
    model = keras.Sequential([keras.layers.Input((1,)), unit], name="line_fit")
    model.compile(keras.optimizers.SGD(learning_rate), "mean_squared_error")
    return _train_on_all(model, split, {"W": unit.kernel, "b": unit.bias})


def build_curve(split: Split, *, hidden: int = 10, learning_rate: float = 0.1) -> Training:
    """One hidden layer of ReLU units, weights from a normal distribution and biases of 0.1, over all points at once."""
    import keras

    layers = keras.layers
    start: dict[str, Any] = {
        "kernel_initializer": keras.initializers.RandomNormal(stddev=1.0),
        "bias_initializer": keras.initializers.Constant(0.1),
    }
    model = keras.Sequential(
        [
            layers.Input((1,), name="inputs"),
            layers.Dense(hidden, activation="relu", name="hidden", **start),
            layers.Dense(1, name="prediction", **start),
        ],
        name="curve_fit",
    )
    model.compile(keras.optimizers.SGD(learning_rate), "mean_squared_error")
    return _train_on_all(model, split, {})


def _train_on_all(model: Any, split: Split, watch: dict[str, Any]) -> Training:
    train, validation, test = ((part.x, part.y) for part in (split.train, split.validation, split.test))
    return Training(model, train, validation, test, batch_size=len(split.train), about=split.about(), watch=watch)
