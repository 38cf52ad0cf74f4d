"""Which way a metric gets better: by what Keras declares of it, also for one of several outputs."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest

from keepbest.errors import InvalidInput
from keepbest.looking.monitor import direction_of


@pytest.fixture(scope="module")
def model() -> Any:
    """Two outputs, each with metrics of its own; Keras knows them after the first step."""
    x = keras.Input((4,))
    outputs = [keras.layers.Dense(3, "softmax", name="kind")(x), keras.layers.Dense(1, name="size")(x)]
    model = keras.Model(x, outputs)
    f1 = keras.metrics.F1Score(name="f1")
    losses = ["categorical_crossentropy", "mse"]
    model.compile("sgd", losses, metrics=[["accuracy", f1], ["mae", "accuracy"]], jit_compile=False)
    rows = np.eye(3, dtype=np.float32)
    model.evaluate(np.ones((3, 4), np.float32), [rows, rows[:, :1]], verbose=0)
    return model


@pytest.mark.parametrize(
    ("monitor", "mode"),
    [
        ("loss", "min"),
        ("val_loss", "min"),
        ("val_kind_loss", "min"),
        ("val_kind_accuracy", "max"),
        ("val_size_mae", "min"),
        ("size_accuracy", "max"),
        ("val_kind_f1[1]", "max"),
        ("val_kind_f1[mean]", "max"),
    ],
)
def test_directions(model: Any, monitor: str, mode: str) -> None:
    assert direction_of(model, monitor) == mode


@pytest.mark.parametrize("monitor", ["val_f2", "val_other_accuracy", "val_loss_of_weight", ""])
def test_nothing_is_guessed(model: Any, monitor: str) -> None:
    with pytest.raises(InvalidInput, match="does not say which way"):
        direction_of(model, monitor)
