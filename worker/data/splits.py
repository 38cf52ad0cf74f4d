"""A data set in three parts: for training, for validation, and for the test at the end."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import blake3
import numpy as np
from numpy.typing import NDArray

from keepbest.errors import InvalidInput
from worker.data.random import hashes


@dataclass(frozen=True)
class Part:
    """Examples and their targets, in the same order; targets are whole numbers for classes, float32 for values."""

    x: NDArray[np.float32]
    y: NDArray[Any]

    def __post_init__(self) -> None:
        if len(self.x) != len(self.y):
            raise InvalidInput(
                f"There are {len(self.x)} images but {len(self.y)} labels.",
                field="data",
                hint="The files of images and labels are not of the same set.",
            )

    @cached_property
    def digest(self) -> str:
        """BLAKE3 of values, shapes and types: equal digests mean equal data."""
        return digest_of(self.x, self.y)

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, chosen: slice | NDArray[np.int64]) -> Part:
        return Part(self.x[chosen], self.y[chosen])


@dataclass(frozen=True)
class Split:
    """A named data set. Images are (n, height, width, 1) float32 from 0 to 1; without classes there are no labels."""

    name: str
    train: Part
    validation: Part
    test: Part
    classes: tuple[str, ...]

    def about(self) -> dict[str, Any]:
        """Return name, sizes and digests, as kept with a run."""
        parts = {"train": self.train, "validation": self.validation, "test": self.test}
        return {"data": self.name, **{name: {"n": len(part), "digest": part.digest} for name, part in parts.items()}}


def split_head(whole: Part, validation: int) -> tuple[Part, Part]:
    """Return the rest and the first `validation` examples: the split of the TensorFlow tutorials on MNIST."""
    return whole[validation:], whole[:validation]


def split_random(whole: Part, *sizes: int, seed: int) -> tuple[Part, ...]:
    """Return the rest and parts of `sizes`, drawn by `seed`; the same on every machine and in every version."""
    order = np.argsort(hashes(len(whole), seed), kind="stable")
    edges = np.cumsum(sizes)
    parts = [whole[chosen] for chosen in np.split(order, edges)]
    return (parts[-1], *parts[:-1])


def digest_of(*arrays: NDArray[Any]) -> str:
    """Return the BLAKE3 digest of arrays with their shapes and types."""
    hasher = blake3.blake3()
    for array in arrays:
        hasher.update(f"{array.dtype.str}{array.shape}".encode())
        hasher.update(np.ascontiguousarray(array).data.cast("B"))
    return hasher.hexdigest()
