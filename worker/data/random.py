"""Random numbers for generated data, from a counter and a seed: the data depends on no library's generator."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def hashes(count: int, seed: int) -> NDArray[np.uint64]:
    """Return a number for each index (SplitMix64)."""
    z = np.arange(1, count + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(seed)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def uniform(count: int, seed: int, low: float = 0.0, high: float = 1.0) -> NDArray[np.float64]:
    """Return `count` numbers from `low` up to `high`."""
    return low + (high - low) * (hashes(count, seed) >> np.uint64(11)).astype(np.float64) * 2.0**-53


def normal(count: int, seed: int, deviation: float = 1.0) -> NDArray[np.float64]:
    """Return `count` numbers of a normal distribution around 0 (Box and Muller 1958)."""
    both = uniform(2 * count, seed)
    radius = np.sqrt(-2.0 * np.log1p(-both[:count]))
    return deviation * radius * np.cos(2.0 * np.pi * both[count:])
