"""A loop of a user's own: a dict with a module, a variable and a generator, moved by two optimizers.

`python -m tests.support.own_loop STORE RUN UNTIL` goes on with a run in a process of its own and prints the losses.
"""

from __future__ import annotations

import json
import random
import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keepbest import Loop
from keepbest.model.variables import value_of
from keepbest.tracking.run import Run
from keepbest.tracking.stopper import Stopper

PATIENCE = {"name": "patience", "params": {"checks": 99}}


class Net(tf.Module):  # type: ignore[misc]  # TensorFlow ships no types
    """What `tf.Module.variables` leaves out: a Keras layer, and a random generator."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self.dense = keras.layers.Dense(3, kernel_initializer=keras.initializers.GlorotUniform(seed))
        self.dense.build((None, 2))
        self.noise = tf.random.Generator.from_seed(seed)
        self.scales = [tf.Variable(tf.ones(3)), "no variable"]

    def __call__(self, x: Any) -> Any:
        return self.dense(x) * self.scales[0] + 0.1 * self.noise.normal((3,))


class Game:
    """Two players who share a loss; data comes from Python's and NumPy's global generators, and one of its own."""

    def __init__(self, seed: int) -> None:
        random.seed(seed)
        np.random.seed(seed)
        self.draw = np.random.default_rng(seed)
        self.net, self.bias = Net(seed), tf.Variable(tf.zeros(3), name="bias")
        self.optimizers = (keras.optimizers.Adam(0.05), keras.optimizers.SGD(0.1, momentum=0.9))
        self.optimizers[0].build(list(self.net.dense.trainable_variables))
        self.optimizers[1].build([self.bias, self.net.scales[0]])

    @property
    def kept(self) -> dict[str, Any]:
        return {"net": self.net, "bias": self.bias}

    def train(self) -> str:
        """Train one step; return the loss to the last bit."""
        x = (np.random.random((4, 2)) + self.draw.random((4, 2))).astype("float32") * random.random()
        with tf.GradientTape(persistent=True) as tape:
            loss = tf.reduce_mean(tf.square(self.net(x) + self.bias - 1.0))
        for optimizer, moved in zip(self.optimizers, self._moved(), strict=True):
            optimizer.apply(tape.gradient(loss, [value_of(one) for one in moved]), moved)
        return float(loss).hex()

    def _moved(self) -> tuple[list[Any], list[Any]]:
        return list(self.net.dense.trainable_variables), [self.bias, self.net.scales[0]]


def make_run(id: str, stopper: Any = None, **more: Any) -> Run:
    return Run(id, Stopper(stopper or PATIENCE, "min"), monitor="val_loss", **more)


def main(store: str, run: str, until: int) -> None:
    game = Game(seed=99)  # nothing may come from the seed of this process
    loop = Loop(make_run(run), game.kept, *game.optimizers, store=Path(store), carry=[game.draw])
    began, losses = loop.step, []
    for step in loop:
        losses.append(game.train())
        if step == until:
            break
    print("FOUND " + json.dumps({"began": began, "losses": losses, "best": loop.best_value}))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
