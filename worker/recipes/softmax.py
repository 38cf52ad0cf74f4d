"""Softmax regression on images: the beginners' and the experts' MNIST tutorials of TensorFlow begin with it."""

from __future__ import annotations

from keepbest.training.spec import Training
from worker.data.splits import Split


def build_softmax(split: Split, *, learning_rate: float = 0.01, batch_size: int = 100) -> Training:
    """One matrix and one bias, both zero at first, then a softmax.

    The tutorials sum the cross-entropy over a batch, and Keras takes the mean. So the learning rate is multiplied by
    the size of the batch, and each step equals the tutorials'.
    """
    import keras

    layers = keras.layers
    model = keras.Sequential(
        [
            layers.Input(split.train.x.shape[1:]),
            layers.Flatten(name="x"),
            layers.Dense(len(split.classes), kernel_initializer="zeros", name="evidence"),
            layers.Softmax(name="y"),
        ],
        name="softmax_regression",
    )
    optimizer = keras.optimizers.SGD(learning_rate * batch_size)
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    train, validation, test = ((part.x, part.y) for part in (split.train, split.validation, split.test))
    return Training(model, train, validation, test, batch_size=batch_size, about=split.about(), classes=split.classes)


def build_softmax_of_experts(split: Split, *, learning_rate: float = 0.01, batch_size: int = 50) -> Training:
    """The network of `build_softmax` with the experts' batch, which is half as large."""
    return build_softmax(split, learning_rate=learning_rate, batch_size=batch_size)
