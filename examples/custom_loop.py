"""A training loop of your own, without Keras: variables in a dict, gradients by hand, early stopping around it.

Run it: python examples/custom_loop.py. Without a tracker the run is kept in a folder, until `keepbest sync` hands it
in; with `keepbest up`, or KEEPBEST_URL and KEEPBEST_TOKEN, you watch it in the dashboard, and may take it back there.
"""

from __future__ import annotations

import os
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np
import tensorflow as tf

import keepbest

STEPS, UNITS, RATE, MOMENTUM = 20_000, 256, 0.02, 0.9


def make_data(count: int, seed: int) -> tuple[Any, Any]:
    random = np.random.default_rng(seed)
    x = random.uniform(-3, 3, (count, 1)).astype("float32")
    return x, (np.sin(2 * x) + random.normal(0, 0.4, (count, 1))).astype("float32")


def make_variables() -> dict[str, Any]:
    """All that the next step depends on: weights, their momenta, and the generator of the noise."""
    noise = tf.random.Generator.from_seed(1)
    w = {"hidden": tf.Variable(noise.normal((2, UNITS))), "head": tf.Variable(noise.normal((UNITS, 1)) / UNITS**0.5)}
    momenta = {name: tf.Variable(tf.zeros_like(value)) for name, value in w.items()}
    return {"weights": w, "momenta": momenta, "noise": noise}


def predict(weights: dict[str, Any], x: Any) -> Any:
    return tf.tanh(tf.concat([x, tf.ones_like(x)], 1) @ weights["hidden"]) @ weights["head"]


def main() -> None:
    kept, (x, y), validation = make_variables(), make_data(20, seed=1), make_data(200, seed=2)

    @tf.function  # type: ignore[untyped-decorator]  # TensorFlow ships no types
    def train_one_step() -> None:
        noisy = x + kept["noise"].normal(x.shape, stddev=0.02)
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.square(predict(kept["weights"], noisy) - y))
        for name, gradient in tape.gradient(loss, kept["weights"]).items():
            kept["momenta"][name].assign(MOMENTUM * kept["momenta"][name] - RATE * gradient)
            kept["weights"][name].assign_add(kept["momenta"][name])

    def validate() -> float:
        return float(tf.reduce_mean(tf.square(predict(kept["weights"], validation[0]) - validation[1])))

    with keepbest.init(monitor="val_loss", mode="min", stopper="patience(checks=10)", max_steps=STEPS) as run:
        loop = keepbest.Loop(run, kept)
        for step in loop:  # after a roll back it goes on from the step that was gone back to
            train_one_step()
            if step % 25 == 0:
                loop.report_validation(step, validate(), n=len(validation[0]))

        print(f"stopped early: at step {loop.step} of {STEPS}, val_loss {validate()!r}")
        loop.roll_back()
        kept_value = loop.best_value or 0.0
        print(f"went back to step {loop.step}: val_loss {validate()!r}, difference {validate() - kept_value}")

    kept["weights"]["head"].assign_add(tf.ones((UNITS, 1)))  # whatever happens to it
    keepbest.restore(run, kept)
    print(f"restored from disk: difference {validate() - kept_value}")


if __name__ == "__main__":
    main()
