"""Small arrays, the same in every process."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

COUNT = 16
WORDS = ("red", "green", "blue", "black")
NUMBERS = (11, 22, 33, 44)
TEXTS = ("red sky at night", "green grass", "blue sea and blue sky", "black night")


def _draw() -> np.random.Generator:
    return np.random.default_rng(5)


def classes() -> Any:
    return np.arange(COUNT) % 3


def table() -> tuple[Any, Any]:
    return _draw().random((COUNT, 4), np.float32), classes()


def measured() -> tuple[Any, Any]:
    """Columns of very different size, which need a Normalization."""
    return table()[0] * np.array([50, 5, 0.1, 1], "float32") + np.array([300, -20, 4, 0], "float32"), classes()


def pictures() -> tuple[Any, Any]:
    return _draw().random((COUNT, 6, 6, 1), np.float32), classes()


def sequences() -> tuple[Any, Any]:
    return _draw().random((COUNT, 3, 2), np.float32), classes()


def words() -> tuple[Any, Any]:
    return _cycle(WORDS), classes()


def numbers() -> tuple[Any, Any]:
    return tf.cast(_cycle(NUMBERS), "int64"), classes()


def texts() -> tuple[Any, Any]:
    return _cycle(TEXTS), classes()


def records() -> tuple[Any, Any]:
    return {"color": words()[0], "size": table()[0][:, :1]}, classes()


def _cycle(values: tuple[Any, ...]) -> Any:
    return tf.constant([[values[number % len(values)]] for number in range(COUNT)])
