"""Dropout against overfitting on small images: the classification example of the Chinese TensorFlow course."""

from __future__ import annotations

from typing import Any

from keepbest.training.spec import Training
from worker.data.splits import Split


def build_dropout(
    split: Split, *, keep_prob: float = 0.5, units: int = 50, learning_rate: float = 0.5, batch_size: int = 0
) -> Training:
    """A hidden layer whose weighted sums are dropped, tanh, then a softmax, by gradient descent.

    `keep_prob` of 1 leaves dropout out: train and validation loss drift apart. A `batch_size` of 0 takes all
    examples at once, as the course does.
    """
    import keras

    layers = keras.layers
    start: dict[str, Any] = {
        "kernel_initializer": keras.initializers.RandomNormal(stddev=1.0),
        "bias_initializer": keras.initializers.Constant(0.1),
    }
    model = keras.Sequential(
        [
            layers.Input(split.train.x.shape[1:]),
            layers.Flatten(name="inputs"),
            layers.Dense(units, name="Wx_plus_b", **start),
            layers.Dropout(1.0 - keep_prob, name="dropout"),
            layers.Activation("tanh", name="l1"),
            layers.Dense(len(split.classes), activation="softmax", name="l2", **start),
        ],
        name="digits_dropout",
    )
    model.compile(keras.optimizers.SGD(learning_rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
    train, validation, test = ((part.x, part.y) for part in (split.train, split.validation, split.test))
    return Training(
        model,
        train,
        validation,
        test,
        batch_size=batch_size or len(split.train),
        about=split.about(),
        also={"train": train},
        classes=split.classes,
    )
