"""Early stopping in `model.fit`: the best is kept in memory and on disk, and can be had back anywhere, to the last bit.

Run it: python examples/keras_script.py. Without a tracker the run is kept in a folder, until `keepbest sync` hands it
in; with `keepbest up`, or KEEPBEST_URL and KEEPBEST_TOKEN, you watch it in the dashboard, and may take it back there.
"""

from __future__ import annotations

import os
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np

import keepbest

EPOCHS = 200


def make_data(count: int, seed: int) -> tuple[Any, Any]:
    random = np.random.default_rng(seed)
    x = random.uniform(-3, 3, (count, 1)).astype("float32")
    return x, (np.sin(2 * x) + random.normal(0, 0.4, (count, 1))).astype("float32")


def build() -> Any:
    """A network with far too many weights for thirty noisy points: it gets better, and then it overfits."""
    layers = [keras.layers.Dense(128, "tanh"), keras.layers.Dense(128, "tanh"), keras.layers.Dense(1)]
    model = keras.Sequential([keras.layers.Input((1,)), *layers])
    model.compile(keras.optimizers.Adam(5e-3), "mse")
    return model


def main() -> None:
    keras.utils.set_random_seed(1)
    model, (x, y), validation = build(), make_data(30, seed=1), make_data(200, seed=2)
    with keepbest.init(monitor="val_loss", mode="min", stopper="patience(checks=12)", config={"units": 128}) as run:
        kept = keepbest.KeepBest(run=run, restore_best_weights=True)
        model.fit(x, y, validation_data=validation, epochs=EPOCHS, verbose=0, callbacks=[kept])

    print(f"stopped early: after epoch {kept.stopped_epoch} of {EPOCHS}, because of {kept.stop_reason}")
    kept_value = kept.best or 0.0
    value = model.evaluate(*validation, verbose=0)
    print(f"went back to step {kept.best_step}: val_loss {value!r}, difference {value - kept_value}")

    value = keepbest.restore(run, build()).evaluate(*validation, verbose=0)
    print(f"restored from disk into another model: difference {value - kept_value}")


if __name__ == "__main__":
    main()
