"""What the panels look at: some examples of a part of the data, as arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

#: Examples that the panels are made of; a confusion matrix counts up to so many.
EXAMPLES = 5_000


@dataclass(frozen=True)
class Scene:
    """Inputs as the model takes them (an array, or a structure of arrays), targets, and what the classes are called."""

    x: Any
    y: NDArray[Any]
    classes: tuple[str, ...] = ()
    part: str = "validation"

    def __len__(self) -> int:
        return len(self.y)

    @property
    def single(self) -> NDArray[Any] | None:
        """The inputs, where the model has only one."""
        return self.x if isinstance(self.x, np.ndarray) else None

    @property
    def images(self) -> NDArray[Any] | None:
        """The inputs, where they look like images: (n, height, width, 1 or 3)."""
        x = self.single
        return x if x is not None and x.ndim == 4 and x.shape[-1] in (1, 3) else None

    def labels(self, outputs: int) -> NDArray[np.int64] | None:
        """Return the targets as classes, where there are `outputs` of them: whole numbers, or one-hot rows."""
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

    None where it holds no targets, or is endless and empty at once.
    """
    batches = [part] if isinstance(part, tuple | list) else _take_batches(part, limit)
    pairs = [batch for batch in batches if len(batch) >= 2]
    if not pairs:
        return None
    import keras

    first = [keras.tree.map_structure(np.asarray, batch[0]) for batch in pairs]
    x = keras.tree.map_structure(lambda *leaves: np.concatenate(leaves)[:limit], *first)
    y = np.concatenate([np.asarray(batch[1]) for batch in pairs])[:limit] if _is_plain(pairs) else None
    return Scene(x, y, tuple(classes), name) if y is not None and len(y) else None


def _take_batches(part: Any, limit: int) -> list[Any]:
    result: list[Any] = []
    count = 0
    for batch in (part[index] for index in range(len(part))) if hasattr(part, "__getitem__") else part:
        result.append(tuple(batch))
        count += len(batch[1]) if len(batch) > 1 and hasattr(batch[1], "__len__") else limit
        if count >= limit:
            break
    return result


def _is_plain(pairs: list[Any]) -> bool:
    return all(not isinstance(batch[1], dict | list | tuple) for batch in pairs)
