"""What each example adds to what Keras measured on all of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from keepbest.errors import InvalidInput
from keepbest.stopping import Correct, Losses, Pairs, Unpaired
from keepbest.training.monitor import direction_of
from keepbest.training.per_example import ValidationExamples

keras = pytest.importorskip("keras", reason="needs TensorFlow: make install")

N = 300  # more than one batch
DRAW = np.random.default_rng(3)
X = DRAW.normal(size=(N, 4)).astype(np.float32)
CLASSES = DRAW.integers(0, 3, N)
BITS = (X.sum(axis=1) > 0).astype(np.int64)
ROOT = keras.metrics.RootMeanSquaredError(name="root")


def network(units: int, end: str | None, penalty: Any = None, **compiled: Any) -> Any:
    keras.utils.set_random_seed(1)
    dense = keras.layers.Dense(units, end, kernel_regularizer=penalty)
    model = keras.Sequential([keras.layers.Input((4,)), keras.layers.Dropout(0.5), dense])
    model.compile("sgd", **compiled)
    return model


def compare(model: Any, monitor: str, y: Any, x: Any = X) -> tuple[Pairs, float]:
    value = model.evaluate(x, y, batch_size=64, verbose=0, return_dict=True)[monitor.removeprefix("val_")]
    return ValidationExamples((x, y)).compare(model, monitor, value, direction_of(model, monitor)), value


@pytest.mark.parametrize(
    ("units", "end", "loss", "y"),
    [
        (3, "softmax", "sparse_categorical_crossentropy", CLASSES),
        (3, "softmax", "sparse_categorical_crossentropy", CLASSES[:, None]),
        (3, "softmax", "categorical_crossentropy", np.eye(3)[CLASSES]),
        (1, "sigmoid", "binary_crossentropy", BITS),
        (1, "sigmoid", "binary_crossentropy", BITS[:, None]),
    ],
)
def test_accuracy_says_who_was_right_and_the_loss_what_each_lost(units: int, end: str, loss: str, y: Any) -> None:
    model = network(units, end, loss=loss, metrics=["accuracy"])
    right, accuracy = compare(model, "val_accuracy", y)
    assert isinstance(right, Correct)
    assert right.bits.bit_count() / right.n == pytest.approx(accuracy, abs=1e-6)
    predicted = model.predict(X, verbose=0)
    expected = predicted.argmax(axis=1) == CLASSES if units == 3 else (predicted[:, 0] > 0.5) == BITS
    assert right == Correct.of(expected)
    lost, value = compare(model, "val_loss", y)
    assert isinstance(lost, Losses)
    assert (lost.n, lost.note) == (N, "")
    assert np.frombuffer(lost.data, "<f4").mean() == pytest.approx(value, rel=1e-5)


@pytest.mark.parametrize(
    ("loss", "metric"),
    [
        (keras.losses.MeanSquaredError(), "mean_absolute_error"),
        (keras.losses.Huber(delta=0.3), keras.metrics.MeanSquaredError(name="mse")),
        (lambda y, p: keras.ops.abs(y - p)[:, 0], "mse"),
    ],
)
def test_other_means_over_examples_are_compared_as_losses(loss: Any, metric: Any) -> None:
    model = network(1, None, loss=loss, metrics=[metric])
    name = metric if isinstance(metric, str) else metric.name
    for monitor in ("val_loss", f"val_{name}"):
        pairs, value = compare(model, monitor, X[:, :1] * 2)
        assert isinstance(pairs, Losses)
        assert np.frombuffer(pairs.data, "<f4").mean() == pytest.approx(value, rel=1e-4)


def test_wrong_is_not_right_where_lower_is_better() -> None:
    model = network(1, "sigmoid", loss="binary_crossentropy", metrics=["accuracy"])
    _, accuracy = compare(model, "val_accuracy", BITS)
    turned = ValidationExamples((X, BITS)).compare(model, "val_accuracy", accuracy, "min")
    assert isinstance(turned, Correct)
    assert turned.bits.bit_count() == pytest.approx((1 - accuracy) * N)


def test_penalties_are_in_the_value_and_not_in_the_losses() -> None:
    model = network(3, "softmax", keras.regularizers.L2(0.1), loss="sparse_categorical_crossentropy")
    pairs, value = compare(model, "val_loss", CLASSES)
    assert isinstance(pairs, Losses)
    assert pairs.note == "penalties left out"
    kernel = model.layers[-1].kernel.numpy()
    assert np.frombuffer(pairs.data, "<f4").mean() + 0.1 * (kernel**2).sum() == pytest.approx(value, rel=1e-5)


def two_ends() -> Any:
    start = keras.layers.Input((4,))
    model = keras.Model(start, [keras.layers.Dense(1, name="a")(start), keras.layers.Dense(1, name="b")(start)])
    model.compile("sgd", {"a": "mse", "b": "mse"})
    return model


def broken(y: Any, predicted: Any) -> Any:
    return keras.ops.mean(keras.ops.square(y - predicted))


@pytest.mark.parametrize(
    ("model", "monitor", "why"),
    [
        (two_ends, "val_loss", "the network has several losses"),
        (lambda: network(1, None, loss=broken), "val_loss", "cannot be read example by example: ValueError"),
        (lambda: network(1, None, loss="mse", loss_weights=3.0), "val_loss", "the examples' mean is"),
        (lambda: network(1, None, loss="mse", metrics=[ROOT]), "val_root", "root is no mean over the examples"),
        (lambda: network(1, None, loss="mse"), "loss", "not measured on the validation data"),
    ],
)
def test_what_cannot_be_compared_says_why(model: Any, monitor: str, why: str) -> None:
    y = {"a": X[:, :1], "b": X[:, 1:2]} if model is two_ends else X[:, :1]
    pairs, _ = compare(model(), monitor, y)
    assert isinstance(pairs, Unpaired)
    assert why in pairs.why


def test_other_data_than_what_was_measured_is_not_used() -> None:
    """Whoever gives a callback the wrong arrays must not get a verdict from them."""
    model = network(3, "softmax", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    _, value = compare(model, "val_accuracy", CLASSES)
    other = ValidationExamples((X[:293], CLASSES[:293])).compare(model, "val_accuracy", value, "max")
    assert isinstance(other, Unpaired)
    assert "not the" in other.why
    weighed = ValidationExamples((X, CLASSES, np.ones(N))).compare(model, "val_accuracy", value, "max")
    assert weighed == Unpaired("the examples have weights")
    assert ValidationExamples((X, CLASSES)).compare(model, "val_loss", float("nan"), "min") == Unpaired(
        "the value is not finite"
    )


@pytest.mark.parametrize("part", [X, (X,), (X, CLASSES[:9]), (X[:0], CLASSES[:0]), (X, CLASSES.tolist())])
def test_what_is_no_pair_of_arrays_is_refused(part: Any) -> None:
    with pytest.raises(InvalidInput):
        ValidationExamples(part)
