"""The inputs of the panels: some examples of a part of the data, as arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

#: The most examples for the panels, such as the confusion matrix.
EXAMPLES = 5_000


@dataclass(frozen=True)
class Scene:
    """Inputs as the model takes them (an array, or a structure of arrays), targets, and the names of the classes."""

    x: Any
    y: NDArray[Any]
    classes: tuple[str, ...] = ()
    part: str = "validation"

    def __len__(self) -> int:
        return len(self.y)

    @property
    def single(self) -> NDArray[Any] | None:
        """The inputs of a model that takes one array, else None."""
        return self.x if isinstance(self.x, np.ndarray) else None

    @property
    def images(self) -> NDArray[Any] | None:
        """The inputs if they have the shape of images, (n, height, width, 1 or 3), else None."""
        x = self.single
        return x if x is not None and x.ndim == 4 and x.shape[-1] in (1, 3) else None

    def labels(self, outputs: int) -> NDArray[np.int64] | None:
        """Return the targets as numbers of `outputs` classes, from whole numbers or one-hot rows, or None."""
        y = self.y
        if y.ndim == 2 and y.shape[1] == outputs > 1 and np.array_equal(y.sum(axis=1), np.ones(len(y))):
            chosen: NDArray[np.int64] = y.argmax(axis=1).astype(np.int64)
            return chosen
        flat = y.reshape(len(y), -1)
        is_whole = flat.shape[1] == 1 and np.issubdtype(flat.dtype, np.integer)
        if outputs < 2 or not is_whole or not len(flat) or flat.min() < 0 or flat.max() >= outputs:
            return None
        only: NDArray[np.int64] = flat[:, 0].astype(np.int64)
        return only

    def names(self, outputs: int) -> tuple[str, ...]:
        """Return a name for each of `outputs` classes."""
        return self.classes if len(self.classes) == outputs else tuple(map(str, range(outputs)))


def see(part: Any, *, classes: Sequence[str] = (), name: str = "validation", limit: int = EXAMPLES) -> Scene | None:
    """Return the first examples of a part of the data: arrays, a `tf.data.Dataset`, a Keras `PyDataset`.

    Returns None if it holds no examples with targets.
    """
    batches = [part] if isinstance(part, tuple | list) else _take_batches(part, limit)
    pairs = [batch for batch in batches if len(batch) >= 2]
    if not pairs:
        return None
    import keras

    first = [keras.tree.map_structure(np.asarray, batch[0]) for batch in pairs]
    x = keras.tree.map_structure(lambda *leaves: np.concatenate(leaves)[:limit], *first)
    if any(isinstance(batch[1], dict | list | tuple) for batch in pairs):
        return None
    y = np.concatenate([np.asarray(batch[1]) for batch in pairs])[:limit]
    return Scene(x, y, tuple(classes), name) if len(y) else None


def _take_batches(part: Any, limit: int) -> list[Any]:
    result: list[Any] = []
    count = 0
    for batch in (part[index] for index in range(len(part))) if hasattr(part, "__getitem__") else part:
        result.append(tuple(batch))
        count += len(batch[1]) if len(batch) > 1 and hasattr(batch[1], "__len__") else limit
        if count >= limit:
            break
    return result
