"""A script's own `fit` whose learning rate a callback of Keras' decides: its counters lie in Python alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
from blake3 import blake3

from keepbest.keras import KeepBest
from keepbest.snapshots.snapshot import ModelVariables
from tests.support.exact import networks
from tests.support.exact.data import table
from tests.support.exact.rows import bits, seed_all
from tests.support.exact.training import Ended

HALF = 5
#: How its row of the matrix is called.
PLATEAU = "own fit, ReduceLROnPlateau carried"


class Plateau:
    """The script. The second half may be trained again, or in another process."""

    def __init__(self, store: Path, run: str | None = None, seed: int = 1) -> None:
        seed_all(seed)
        self.model = networks.dense()
        self.model.compile(keras.optimizers.SGD(2.0, momentum=0.9), "sparse_categorical_crossentropy")
        self.slowing = keras.callbacks.ReduceLROnPlateau("val_loss", factor=0.5, patience=1, cooldown=1, min_delta=0.05)
        carry = [self.slowing, Counter()]
        self.keep = KeepBest("val_loss", patience=99, store=store, run=run, resume=run is not None, carry=carry)
        self.checkpoint = ""
        self.counted: dict[str, Any] = {}

    def train(self, first: int, last: int) -> Ended:
        """Train these epochs; write a checkpoint at half of them. Return what came of the second half."""
        x, y = table()
        write = keras.callbacks.LambdaCallback(on_epoch_end=self._write)
        options = {"initial_epoch": first, "epochs": last, "batch_size": 8, "shuffle": False, "verbose": 0}
        validation = (x[::2], y[::-2])
        fitted = self.model.fit(x, y, validation_data=validation, callbacks=[self.keep, write], **options)
        second = {key: [value.hex() for value in values[HALF - first :]] for key, values in fitted.history.items()}
        return {**second, "digest": blake3(b"".join(bits(ModelVariables(self.model).read()))).hexdigest()}

    def _write(self, epoch: int, logs: Any) -> None:
        if epoch + 1 == HALF and not self.checkpoint:
            state = self.keep.keeper.checkpoint(self.keep.position, "manual")
            self.checkpoint, self.counted = state.id, dict(state.callbacks)


class Counter(keras.callbacks.Callback):  # type: ignore[misc]  # Keras ships no types
    """Disturbs the weights by what it has counted."""

    seen = 0

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self.seen += 1
        kernel = self.model.trainable_variables[0]
        kernel.assign(kernel * (1 + 0.01 * self.seen))
