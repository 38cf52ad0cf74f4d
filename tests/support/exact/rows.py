"""The rows of the matrix: each a small network that is trained in another way, or on other data."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tests.support.exact import holding, networks
from tests.support.exact.data import as_items, as_pipeline, pictures, sequences, table, texts, two_inputs, words

#: Updates before the checkpoint, and after it; a multiple of what one execution does.
STEPS = 6


@dataclass(frozen=True)
class Row:
    """A network, the arrays that it is trained on, and how it is compiled.

    `given` makes of the arrays what a user would give; `loop`: a loop of the user's own trains, not `fit`; `learn` is
    given the model and the inputs before all.
    """

    build: Callable[[], Any]
    arrays: Callable[[], tuple[Any, ...]]
    optimizer: Callable[[], Any] = lambda: keras.optimizers.Adam(0.01)
    compiled: Mapping[str, Any] | None = None
    given: Callable[[tuple[Any, ...]], Any] = lambda arrays: arrays
    loop: bool = False
    learn: Callable[[Any, Any], object] = lambda model, inputs: None

    def make_model(self) -> Any:
        model = self.build()
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile(self.optimizer(), loss, **{"jit_compile": False, **(self.compiled or {})})
        return model


def _scaled() -> Any:
    """Its scale is too large at first, so that steps are left out, and doubled soon after."""
    inner = keras.optimizers.Adam(0.01)
    return keras.optimizers.LossScaleOptimizer(inner, initial_scale=2.0**126, dynamic_growth_steps=2)


def _scheduled() -> Any:
    return keras.optimizers.SGD(keras.optimizers.schedules.ExponentialDecay(0.1, 2, 0.5), momentum=0.9)


def _averaged() -> Any:
    return keras.optimizers.Adam(0.01, use_ema=True, ema_overwrite_frequency=4)


XLA = {"jit_compile": True}
EAGER = {"run_eagerly": True}


def _adapt(model: Any, inputs: Any) -> None:
    model.layers[0].adapt(inputs)


ROWS: dict[str, Row] = {
    "dense": Row(networks.dense, table),
    "convolution": Row(networks.convolution, pictures),
    "augmentation": Row(networks.augmentation, pictures),
    "embedding": Row(networks.embedding, words, lambda: keras.optimizers.SGD(0.1)),
    "embedding, momentum": Row(networks.embedding, words, lambda: keras.optimizers.SGD(0.1, momentum=0.9)),
    "embedding, Adam": Row(networks.embedding, words),
    "embedding, RMSprop": Row(networks.embedding, words, lambda: keras.optimizers.RMSprop(0.01)),
    "LSTM": Row(lambda: networks.recurrent(keras.layers.LSTM), sequences),
    "GRU": Row(lambda: networks.recurrent(keras.layers.GRU), sequences),
    "mixed precision": Row(networks.mixed, table),
    "loss scaling": Row(networks.dense, table, _scaled),
    "averaged weights": Row(networks.dense, table, _averaged),
    "schedule": Row(networks.dense, table, _scheduled),
    "steps_per_execution": Row(networks.two_by_two, two_inputs, compiled={"steps_per_execution": 3}),
    "XLA": Row(networks.dense, table, compiled=XLA),
    "XLA, averaged weights": Row(networks.dense, table, _averaged, XLA),
    "XLA, embedding": Row(networks.embedding, words, lambda: keras.optimizers.SGD(0.1), XLA),
    "eager": Row(networks.dense, table, compiled={"run_eagerly": True}),
    "eager, embedding": Row(networks.embedding, words, lambda: keras.optimizers.SGD(0.1), {"run_eagerly": True}),
    "own train_step": Row(networks.OwnStep, table),
    "subclass, TensorFlow's own variables": Row(networks.OwnVariables, table),
    "two inputs, two outputs": Row(networks.two_by_two, two_inputs),
    "own loop, noise from every generator": Row(networks.dense, table, loop=True),
    "Normalization, adapted": Row(holding.normalized, table, learn=_adapt),
    "StringLookup, adapted": Row(holding.looked_up, texts, learn=_adapt),
    "own `save_own_variables`": Row(holding.counting, table, compiled=EAGER),
    "two optimizers": Row(holding.TwoOptimizers, table),
    "head that only training builds": Row(holding.LateHead, table),
    "stateful RNN": Row(holding.stateful, sequences),
    "tf.data": Row(networks.dense, table, given=as_pipeline),
    "PyDataset": Row(networks.dense, table, given=as_items),
}


def seed_all(seed: int = 1) -> None:
    keras.utils.set_random_seed(seed)
    tf.random.set_global_generator(tf.random.Generator.from_seed(seed))


def bits(values: Any) -> list[bytes]:
    """Return the bytes of tensors, copied."""
    return [np.asarray(value).tobytes() for value in values]
