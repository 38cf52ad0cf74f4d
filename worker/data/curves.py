"""Points around a line and around a curve: the first examples of most tutorials."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from worker.data.random import normal, uniform
from worker.data.splits import Part, Split

LINE_POINTS, CURVE_POINTS = 100, 300
SLOPE, INTERCEPT = 0.1, 0.3
NOISE = 0.05


def load_line() -> Split:
    """Return y = 0.1 x + 0.3 without noise, at points between 0 and 1."""
    return Split("line", _line(LINE_POINTS, 1), _line(LINE_POINTS, 2), _line(LINE_POINTS, 3), classes=())


def load_curve() -> Split:
    """Return y = x^2 - 0.5 with noise of deviation 0.05, at 300 even points between -1 and 1."""
    return Split("curve", _curve(CURVE_POINTS, 1), _curve(CURVE_POINTS, 2), _curve(CURVE_POINTS, 3), classes=())


def _line(count: int, seed: int) -> Part:
    x = uniform(count, seed)
    return _part(x, SLOPE * x + INTERCEPT)


def _curve(count: int, seed: int) -> Part:
    x = np.linspace(-1.0, 1.0, count)
    return _part(x, x**2 - 0.5 + normal(count, seed, NOISE))


def _part(x: NDArray[np.float64], y: NDArray[np.float64]) -> Part:
    return Part(x.astype(np.float32)[:, np.newaxis], y.astype(np.float32)[:, np.newaxis])
