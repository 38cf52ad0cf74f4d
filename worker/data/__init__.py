"""Loads data sets as splits with digests. Importing this loads no data and no TensorFlow."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from keepbest.errors import InvalidInput
from worker.data.curves import load_curve, load_line
from worker.data.digits import load_digits
from worker.data.mnist import load_fashion_mnist, load_mnist
from worker.data.planar import SHAPES, load_planar
from worker.data.splits import Split

#: Each loader takes the worker's folder of data, or None.
LOADERS: dict[str, Callable[[Path | None], Split]] = {
    "digits": lambda folder: load_digits(),
    "mnist": load_mnist,
    "fashion-mnist": load_fashion_mnist,
    "line": lambda folder: load_line(),
    "curve": lambda folder: load_curve(),
    **{name: lambda folder, name=name: load_planar(name) for name in SHAPES},  # type: ignore[misc]  # a bound name
}


def load(name: str, folder: Path | None = None) -> Split:
    """Return a data set by name."""
    if name not in LOADERS:
        raise InvalidInput(
            f"There is no data set {name!r}.", field="data", hint=f"This worker has {', '.join(sorted(LOADERS))}."
        )
    return LOADERS[name](folder)
