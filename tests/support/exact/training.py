"""Train a row from any step on, and return the losses and the state, bit for bit."""

from __future__ import annotations

import random
from collections.abc import Callable
from itertools import islice
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from blake3 import blake3

from keepbest.snapshots.snapshot import ModelVariables, capture
from keepbest.snapshots.state import Position, State
from keepbest.training.spec import Training
from tests.support.exact.data import BATCH
from tests.support.exact.rows import ROWS, STEPS, bits, seed_all
from worker.trainer.batches import make_feed

DATA_SEED = 7
#: Each loss, bit for bit, and a digest of the state at the end.
Ended = dict[str, Any]


class Recorder(keras.callbacks.Callback):  # type: ignore[misc]  # Keras ships no types
    """Keeps each loss; calls `at_epoch_end` when the first epoch is over."""

    def __init__(self, at_epoch_end: Callable[[], None] = lambda: None) -> None:
        super().__init__()
        self.losses: list[str] = []
        self._at_epoch_end = at_epoch_end

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.losses.append(float(logs["loss"]).hex())

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        if epoch == 0:
            self._at_epoch_end()


class Trained:
    """One row being trained. The seed of the data is the run's own; `seed` is what else the process began with.

    With `learns`, preprocessing learns from the data before training; a process that resumes leaves that out.
    """

    def __init__(self, name: str, seed: int = 1, *, learns: bool = True) -> None:
        self._row = ROWS[name]
        seed_all(DATA_SEED)
        arrays = self._row.arrays()
        self._feed = make_feed(Training(None, self._row.given(arrays), None, batch_size=BATCH), DATA_SEED)
        seed_all(seed)
        self.model = self._row.make_model()
        if learns:
            self._row.learn(self.model, arrays[0])
        if not self.model.built:
            self.model(keras.tree.map_structure(lambda array: array[:BATCH], arrays[0]))
        self.variables = ModelVariables(self.model)

    def train_straight(self) -> tuple[State, Ended]:
        """Train 2n steps without a break; return the state in the middle, and what came after."""
        kept: list[State] = []
        losses = self._train(0, 2, lambda: kept.append(capture(self.variables, position=Position(STEPS))))
        return kept[0], self._tell(losses[len(losses) // 2 :])

    def train_on(self) -> Ended:
        """Train the second n steps; return losses and state."""
        return self._tell(self._train(STEPS, 1))

    def bits(self) -> list[bytes]:
        self.variables.follow()  # the optimizer was built since
        return bits(self.variables.read())

    def _train(self, step: int, epochs: int, at_epoch_end: Callable[[], None] = lambda: None) -> list[str]:
        """Train so many times n steps from `step` on; return each loss."""
        data = self._feed.batches_from(step)
        if self._row.loop:
            return self._loop(data, epochs, at_epoch_end)
        recorder = Recorder(at_epoch_end)
        self.model.fit(data, epochs=epochs, steps_per_epoch=STEPS, shuffle=False, verbose=0, callbacks=[recorder])
        return recorder.losses

    def _loop(self, data: Any, epochs: int, at_epoch_end: Callable[[], None]) -> list[str]:
        losses = []
        for number, (x, y) in enumerate(islice(data, epochs * STEPS)):
            if number == STEPS:
                at_epoch_end()
            noise = float(tf.random.get_global_generator().normal([])) + float(keras.random.normal([]))
            noise += np.random.normal() + random.random()
            losses.append(float(self.model.train_on_batch(x + 0.1 * noise, y)).hex())
        return losses

    def _tell(self, losses: list[str]) -> Ended:
        return {"losses": losses, "digest": blake3(b"".join(self.bits())).hexdigest()}
