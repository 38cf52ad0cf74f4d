"""Small networks trained a little under KeepBest, without any service, to be made again from their description."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

import keepbest

DRAW = np.random.default_rng(0)
X, Y = DRAW.random((24, 4), dtype=np.float32), DRAW.random((24, 1), dtype=np.float32)
WHOLE = DRAW.integers(0, 9, (24, 4))


def train(model: Any, store: Path, x: Any = X, y: Any = Y, **more: Any) -> str:
    """Train two epochs; return the run's id."""
    given = {"validation": (x, y), "keep_examples": 4, **more}
    keeper = keepbest.KeepBest("loss", patience=9, restore_best_weights=True, store=store, **given)
    model.fit(x, y, epochs=2, batch_size=8, verbose=0, callbacks=[keeper])
    return str(keeper.run.id)


def compiled(model: Any, loss: Any = "mse", **more: Any) -> Any:
    model.compile("adam", loss, **more)
    return model


def dense(*layers: Any) -> Any:
    import keras

    return compiled(keras.Sequential([keras.Input((4,)), *layers, keras.layers.Dense(1)]))


def answer(model: Any, x: Any = X) -> Any:
    return np.asarray(model(x, training=False))
