"""Which way a metric gets better: by what Keras declares of it, also for one of several outputs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import keras
import numpy as np
import pytest

from keepbest.errors import InvalidInput
from keepbest.stopping import find_mode
from keepbest.training.monitor import direction_of


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
        ("val_auc", "max"),  # of a callback: the model knows of none
    ],
)
def test_directions(model: Any, monitor: str, mode: str) -> None:
    assert direction_of(model, monitor) == mode


def test_the_metrics_that_keras_brings_are_known_by_name() -> None:
    metrics = {metric.name: metric for metric in make_metrics()}
    declared = {"up": "max", "down": "min"}
    known = {name: declared.get(getattr(metric, "_direction", None) or "") for name, metric in metrics.items()}
    assert {name: find_mode(f"val_{name}") for name in known} == known
    assert [find_mode(name) for name in ("loss", "val_a_loss", "auc_1", "val_f1_score[mean]")] == ["min", "min"] + [
        "max"
    ] * 2
    assert [find_mode(name) for name in ("val_f1", "lossless", "accuracy_of_a", "")] == [None] * 4


def make_metrics() -> Iterator[Any]:
    needed: list[dict[str, Any]] = [{}, {"num_classes": 2}, {"num_classes": 2, "target_class_ids": [0]}]
    needed += [{name: 0.5} for name in ("precision", "recall", "specificity", "sensitivity")]
    for kind in vars(keras.metrics).values():
        if isinstance(kind, type) and issubclass(kind, keras.metrics.Metric):
            for arguments in needed:
                with suppress(TypeError):
                    yield kind(**arguments)
                    break


@pytest.mark.parametrize("monitor", ["val_f2", "val_other_accuracy", "val_loss_of_weight", ""])
def test_nothing_is_guessed(model: Any, monitor: str) -> None:
    with pytest.raises(InvalidInput, match="does not say which way"):
        direction_of(model, monitor)
