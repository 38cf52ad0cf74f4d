"""Real data in, splits with digests out. Importing this loads no data and no TensorFlow."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from keepbest.errors import InvalidInput
from worker.data.curves import load_curve, load_line
from worker.data.digits import load_digits
from worker.data.mnist import load_fashion_mnist, load_mnist
from worker.data.planar import SHAPES, load_planar
from worker.data.splits import Split


def _load_planar(name: str, folder: Path | None) -> Split:
    return load_planar(name)


#: Each takes the folder of data that the worker was started with, or None.
LOADERS: dict[str, Callable[[Path | None], Split]] = {
    "digits": lambda folder: load_digits(),
    "mnist": load_mnist,
    "fashion-mnist": load_fashion_mnist,
    "line": lambda folder: load_line(),
    "curve": lambda folder: load_curve(),
    **{name: partial(_load_planar, name) for name in SHAPES},
}


def load(name: str, folder: Path | None = None) -> Split:
    """Return a data set by name."""
    if name not in LOADERS:
        raise InvalidInput(
            f"There is no data set {name!r}.", field="data", hint=f"This worker has {', '.join(sorted(LOADERS))}."
        )
    return LOADERS[name](folder)
