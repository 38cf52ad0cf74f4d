"""The deep network of TensorFlow's MNIST tutorial for experts: two convolutions, 1,024 units, dropout."""

from __future__ import annotations

from typing import Any

from keepbest.training.spec import Training
from worker.data.splits import Split


def build_deep(
    split: Split, *, learning_rate: float = 1e-4, batch_size: int = 50, keep_prob: float = 0.5, units: int = 1024
) -> Training:
    """5 x 5 convolutions with 32 and 64 filters, each halved by max pooling; `keep_prob` of the units stay on."""
    import keras

    layers = keras.layers
    start: dict[str, Any] = {
        "kernel_initializer": keras.initializers.TruncatedNormal(stddev=0.1),
        "bias_initializer": keras.initializers.Constant(0.1),
    }
    model = keras.Sequential(
        [
            layers.Input(split.train.x.shape[1:]),
            layers.Conv2D(32, 5, padding="same", activation="relu", name="conv1", **start),
            layers.MaxPooling2D(2, padding="same", name="pool1"),
            layers.Conv2D(64, 5, padding="same", activation="relu", name="conv2", **start),
            layers.MaxPooling2D(2, padding="same", name="pool2"),
            layers.Flatten(name="flat"),
            layers.Dense(units, activation="relu", name="fc1", **start),
            layers.Dropout(1.0 - keep_prob, name="dropout"),
            layers.Dense(len(split.classes), activation="softmax", name="fc2", **start),
        ],
        name="mnist_deep",
    )
    model.compile(keras.optimizers.Adam(learning_rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
    train, validation, test = ((part.x, part.y) for part in (split.train, split.validation, split.test))
    return Training(model, train, validation, test, batch_size=batch_size, about=split.about(), classes=split.classes)
