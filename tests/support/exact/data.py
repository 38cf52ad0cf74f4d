"""Arrays for the matrix, the same in every process."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import tensorflow as tf

CLASSES = 4
COUNT = 40
BATCH = 8
#: Words in the vocabulary: each batch names only some, so that an embedding's updates are sparse.
WORDS = 50


def as_pipeline(arrays: tuple[Any, ...]) -> Any:
    """Shuffled anew in each pass, and disturbed."""
    data = tf.data.Dataset.from_tensor_slices(arrays).shuffle(COUNT).batch(BATCH)
    return data.map(lambda x, y: (x + tf.random.normal([], stddev=0.1), y)).prefetch(2)


def as_items(arrays: tuple[Any, ...]) -> Any:
    return Items(arrays)


class Items(keras.utils.PyDataset):  # type: ignore[misc]  # Keras ships no types
    def __init__(self, arrays: tuple[Any, ...]) -> None:
        super().__init__()
        self._arrays = arrays

    def __len__(self) -> int:
        return COUNT // BATCH

    def __getitem__(self, index: int) -> tuple[Any, ...]:
        return tuple(array[index * BATCH : (index + 1) * BATCH] for array in self._arrays)


def _draw() -> np.random.Generator:
    return np.random.default_rng(5)


def _classes() -> Any:
    return np.random.default_rng(6).integers(0, CLASSES, COUNT)


def table() -> tuple[Any, Any]:
    return _draw().random((COUNT, 8), np.float32), _classes()


def pictures() -> tuple[Any, Any]:
    return _draw().random((COUNT, 8, 8, 1), np.float32), _classes()


def sequences() -> tuple[Any, Any]:
    return _draw().random((COUNT, 5, 3), np.float32), _classes()


def words() -> tuple[Any, Any]:
    return _draw().integers(0, WORDS, (COUNT, 6)).astype(np.int32), _classes()


def texts() -> tuple[Any, Any]:
    """Words of few letters, some of them often."""
    names = np.array([f"word {number}" for number in range(WORDS)])
    return names[words()[0] % WORDS], _classes()


def two_inputs() -> tuple[Any, Any]:
    return {"table": table()[0], "words": words()[0]}, {"one": _classes(), "other": _classes()[::-1].copy()}
