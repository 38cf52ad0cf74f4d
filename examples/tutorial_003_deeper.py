"""The network of Hvass' tutorial 4 with one layer more: what of a checkpoint still fits, asks its fourth exercise.

keepbest restore RUN --into examples/tutorial_003_deeper.py:build --plan
"""

from __future__ import annotations

from typing import Any

import keras


def build(image: int = 28, units: int = 64) -> Any:
    """`image` is the width of the images in pixels: 28 of MNIST, 8 of the embedded digits."""
    layers = keras.layers
    model = keras.Sequential(
        [
            layers.Input((image, image, 1)),
            layers.Conv2D(16, 5, padding="same", activation="relu", name="layer_conv1"),
            layers.MaxPooling2D(2, padding="same", name="pool1"),
            layers.Conv2D(36, 5, padding="same", activation="relu", name="layer_conv2"),
            layers.MaxPooling2D(2, padding="same", name="pool2"),
            layers.Flatten(name="flatten"),
            layers.Dense(128, activation="relu", name="layer_fc1"),
            layers.Dense(units, activation="relu", name="layer_fc2"),  # the new one
            layers.Dense(10, activation="softmax", name="softmax"),
        ],
        name="hvass_cnn",
    )
    model.compile(keras.optimizers.Adam(1e-4), "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model
