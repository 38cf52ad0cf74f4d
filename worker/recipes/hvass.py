"""The convolutional network of Hvass-Labs' TensorFlow tutorial 4, "Save & Restore", which stops early on MNIST."""

from __future__ import annotations

from typing import Any

from keepbest.training.spec import Training
from worker.data.splits import Split


def build_cnn(split: Split, *, learning_rate: float = 1e-4, batch_size: int = 64) -> Training:
    """Two convolutions of 5 x 5 (16 and 36 filters), each halved by max pooling, then 128 units and a softmax.

    Images may have any size: the layers are the tutorial's, and only the flattened layer depends on the image.
    """
    import keras  # an optional extra, slow to import: announcing recipes must not load it

    model = _make_network(split.train.x.shape[1:], len(split.classes))
    model.compile(
        optimizer=keras.optimizers.Adam(learning_rate),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    train, validation, test = ((part.x, part.y) for part in (split.train, split.validation, split.test))
    return Training(model, train, validation, test, batch_size=batch_size, about=split.about(), classes=split.classes)


def _make_network(image: tuple[int, ...], classes: int) -> Any:
    import keras

    layers = keras.layers
    return keras.Sequential(
        [
            layers.Input(image),
            layers.Conv2D(16, 5, padding="same", activation="relu", name="layer_conv1"),
            layers.MaxPooling2D(2, padding="same", name="pool1"),
            layers.Conv2D(36, 5, padding="same", activation="relu", name="layer_conv2"),
            layers.MaxPooling2D(2, padding="same", name="pool2"),
            layers.Flatten(name="flatten"),
            layers.Dense(128, activation="relu", name="layer_fc1"),
            layers.Dense(classes, activation="softmax", name="softmax"),
        ],
        name="hvass_cnn",
    )
