"""What is tortured, as a user would write it: digits, a network with dropout, and a process beside the training.

The process stands for a loader of data: it must not outlive the trainer, whoever is killed.
"""

from __future__ import annotations

import subprocess
from typing import Any

import keras
import numpy as np
from sklearn.datasets import load_digits


def build(learning_rate: float = 2e-3) -> Any:
    subprocess.Popen(["sleep", "1000"])
    raw = load_digits()
    x, y = (raw.images / 16.0).astype(np.float32)[..., np.newaxis], raw.target.astype(np.int64)
    layers = keras.layers
    model = keras.Sequential(
        [
            layers.Input(x.shape[1:]),
            layers.Flatten(),
            layers.Dense(48, "relu"),
            layers.Dropout(0.3),
            layers.Dense(10, "softmax"),
        ]
    )
    model.compile(keras.optimizers.Adam(learning_rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
    parts = np.split(np.random.default_rng(0).permutation(len(x)), [1200, 1500])
    return model, *((x[part], y[part]) for part in parts)
