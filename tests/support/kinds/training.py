"""Train a kind as its user would, and store the values that must come again. Nothing here knows keepbest."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tests.support.kinds.kind import BATCH, BEST, EPOCHS, Kind

#: What the user's metric says at the end of each epoch: the best is where it was said to be.
SCORES = (0.5, 0.9, 0.4)
Arrays = list[Any]


class Recorder(keras.callbacks.Callback):  # type: ignore[misc]  # Keras ships no types
    """Stores each batch's loss, and the predictions of the model at its best.

    Stands first among the callbacks: a validation's end finds the weights that it measured still in their place.
    """

    def __init__(self, kind: Kind, at_best: Callable[[Any], object] = lambda model: None) -> None:
        super().__init__()
        self.said: list[list[str]] = []
        self.predicted: Arrays = []
        self._kind, self._at_best, self._epoch = kind, at_best, 0

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self._epoch = epoch

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.said.append([float(np.mean(value)).hex() for _, value in sorted((logs or {}).items())])

    def on_test_end(self, logs: Any = None) -> None:
        if self._kind.measures:
            self._record()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        if not self._kind.measures:
            self._record()

    def _record(self) -> None:
        if self._epoch == BEST:
            self.predicted = predict(self._kind, self.model)
            self._at_best(self.model)


class Scores(keras.callbacks.Callback):  # type: ignore[misc]  # Keras ships no types
    """Puts the user's metric into the logs."""

    def __init__(self, kind: Kind) -> None:
        super().__init__()
        self._name = monitor_of(kind)["monitor"]

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        logs[self._name] = SCORES[epoch]


def monitor_of(kind: Kind) -> dict[str, Any]:
    """Return what is watched, as KeepBest takes it."""
    return {"monitor": "val_score" if kind.measures else "score", "mode": "max"}


def fit(kind: Kind, model: Any, *callbacks: Any, first: int = 0, recorder: Recorder | None = None) -> Recorder:
    """Train from epoch `first` to the end; return what was written down."""
    recorder = recorder or Recorder(kind)
    data, model.run_eagerly = _batches(kind.data), not kind.traced
    called = [recorder, *kind.callbacks(), Scores(kind), *callbacks]
    options = {"initial_epoch": first, "epochs": EPOCHS, "shuffle": False, "verbose": 0}
    model.fit(data, validation_data=data if kind.measures else None, callbacks=called, **options)
    return recorder


@cache
def _batches(data: Callable[[], tuple[Any, Any]]) -> Any:
    """Return the data as a pipeline, made once: `fit` traces several functions for arrays, each time anew."""
    return tf.data.Dataset.from_tensor_slices(data()).batch(BATCH)


def examples(kind: Kind) -> Any:
    """Return what is asked of a model, one batch."""
    return keras.tree.map_structure(lambda array: tf.constant(array[:BATCH]), kind.data()[0])


def predict(kind: Kind, model: Any) -> Arrays:
    """Return what the model answers; a layer that counts or draws while it is used is as it was after that."""
    with unmoved(model):
        return as_arrays(model(examples(kind), training=False))


def as_arrays(answer: Any) -> Arrays:
    return [np.array(one.numpy()) for one in keras.tree.flatten(answer)]


@contextmanager
def unmoved(model: Any) -> Iterator[None]:
    states = [getattr(layer, "states", None) for layer in model._flatten_layers()]  # in no list of variables
    variables = [*model.variables, *(one for one in keras.tree.flatten(states) if one is not None)]
    before = [np.array(variable.numpy()) for variable in variables]
    yield
    for variable, value in zip(variables, before, strict=True):
        variable.assign(value)


def are_equal(found: Sequence[Any], expected: Sequence[Any], tolerance: float = 0) -> bool:
    """Whether two answers are the same: to the last bit, or within the tolerance."""
    if len(found) != len(expected) or any(one.shape != other.shape for one, other in zip(found, expected, strict=True)):
        return False
    pairs = zip(found, expected, strict=True)
    return all(np.array_equal(a, b) or (tolerance and np.allclose(a, b, 0, tolerance)) for a, b in pairs)
