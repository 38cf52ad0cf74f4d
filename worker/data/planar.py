"""The two-dimensional data sets of the TensorFlow Playground: points in a square from -6 to 6, targets from -1 to 1.

The shapes and what `noise` does to each follow the Playground's own `dataset.ts` (github.com/tensorflow/playground).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from keepbest.errors import InvalidInput
from worker.data.random import normal, uniform
from worker.data.splits import Part, Split, split_random

Points = NDArray[np.float64]  # (n, 2)
Targets = NDArray[np.float64]  # (n,)

#: The numbers of the Playground. It tests on half of the points; here a quarter is for validation, a quarter for test.
CLASSIFIED, REGRESSED = 500, 1200
RADIUS = 5.0
CLASSES = ("orange", "blue")


def load_planar(name: str, *, noise: float = 0.0, seed: int = 0) -> Split:
    """Return a data set by name; `noise` is from 0 to 0.5, as the Playground's slider shows it in per cent."""
    if not 0.0 <= noise <= 0.5:
        raise InvalidInput(f"noise is from 0 to 0.5, but got {noise}.", field="parameters.noise")
    points, targets = SHAPES[name](noise, 1000 * seed + 1)
    whole = Part(points.astype(np.float32), targets.astype(np.float32)[:, np.newaxis])
    quarter = len(whole) // 4
    train, validation, test = split_random(whole, quarter, quarter, seed=seed)
    return Split(name, train, validation, test, CLASSES if name in CLASSIFICATIONS else ())


def circle(noise: float, seed: int) -> tuple[Points, Targets]:
    """Blue within, orange around it."""
    half = CLASSIFIED // 2
    radii = np.concatenate([uniform(half, seed, 0, RADIUS / 2), uniform(half, seed + 1, 0.7 * RADIUS, RADIUS)])
    angles = uniform(2 * half, seed + 2, 0, 2 * np.pi)
    points = np.stack([radii * np.sin(angles), radii * np.cos(angles)], axis=1)
    moved = points + noise * _square(2 * half, seed + 3, RADIUS)
    return points, np.where(np.linalg.norm(moved, axis=1) < RADIUS / 2, 1.0, -1.0)


def xor(noise: float, seed: int) -> tuple[Points, Targets]:
    """Blue where both coordinates have the same sign; a gap of 0.3 along the axes."""
    points = _square(CLASSIFIED, seed, RADIUS)
    points += np.where(points > 0, 0.3, -0.3)
    moved = points + noise * _square(CLASSIFIED, seed + 2, RADIUS)
    return points, np.where(moved.prod(axis=1) >= 0, 1.0, -1.0)


def gauss(noise: float, seed: int) -> tuple[Points, Targets]:
    """Two clouds, around (2, 2) and (-2, -2), of variance 0.5 to 4."""
    targets = np.repeat([1.0, -1.0], CLASSIFIED // 2)
    deviation = np.sqrt(0.5 + noise * 7.0)
    cloud = np.stack([normal(CLASSIFIED, seed + axis, deviation) for axis in (0, 1)], axis=1)
    return 2.0 * targets[:, np.newaxis] + cloud, targets


def spiral(noise: float, seed: int) -> tuple[Points, Targets]:
    """Two arms that wind around each other."""
    half = CLASSIFIED // 2
    along = np.tile(np.arange(half) / half, 2)
    turns = 1.75 * 2 * np.pi * along + np.repeat([0.0, np.pi], half)
    points = RADIUS * along[:, np.newaxis] * np.stack([np.sin(turns), np.cos(turns)], axis=1)
    return points + noise * _square(2 * half, seed, 1.0), np.repeat([1.0, -1.0], half)


def plane(noise: float, seed: int) -> tuple[Points, Targets]:
    """A tilted plane: the target rises along the diagonal."""
    points = _square(REGRESSED, seed, 6.0)
    moved = points + noise * _square(REGRESSED, seed + 2, 6.0)
    return points, np.clip(moved.sum(axis=1) / 10.0, -1.0, 1.0)


def hills(noise: float, seed: int) -> tuple[Points, Targets]:
    """Six bumps, three up and three down (the Playground's "multi gauss")."""
    points = _square(REGRESSED, seed, 6.0)
    moved = points + noise * _square(REGRESSED, seed + 2, 6.0)
    centres = np.array([[-4, 2.5], [0, 2.5], [4, 2.5], [-4, -2.5], [0, -2.5], [4, -2.5]])
    signs = np.array([1.0, -1.0, 1.0, -1.0, 1.0, -1.0])
    heights = signs * np.clip(1.0 - np.linalg.norm(moved[:, np.newaxis] - centres, axis=2) / 2.0, 0.0, 1.0)
    return points, heights[np.arange(REGRESSED), np.abs(heights).argmax(axis=1)]


def _square(count: int, seed: int, half: float) -> Points:
    return uniform(2 * count, seed, -half, half).reshape(count, 2)


CLASSIFICATIONS = ("circle", "xor", "gauss", "spiral")
SHAPES: dict[str, Callable[[float, int], tuple[Points, Targets]]] = {
    "circle": circle,
    "xor": xor,
    "gauss": gauss,
    "spiral": spiral,
    "plane": plane,
    "hills": hills,
}
