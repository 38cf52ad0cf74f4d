"""Histograms: how the values of a layer's outputs, a variable or a gradient are spread."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from keepbest.contract.panels import Histogram, HistogramsData
from keepbest.panels.packing import finite

BINS = 40
MAX_HISTOGRAMS = 200


def spread(
    arrays: Mapping[str, NDArray[Any]], of: Literal["outputs", "variables", "gradients"] = "outputs"
) -> HistogramsData:
    """Return a histogram of each array, over the range of its finite values."""
    some = list(arrays.items())[:MAX_HISTOGRAMS]
    return HistogramsData(
        kind="histograms", of=of, histograms=[_spread(name, np.asarray(array)) for name, array in some]
    )


def _spread(name: str, array: NDArray[Any]) -> Histogram:
    values = array.astype(np.float64).ravel()
    known = values[np.isfinite(values)]
    counts, edges = np.histogram(known, BINS) if known.size else (np.zeros(1, int), np.array([0.0, 1.0]))
    return Histogram(
        name=name[:200],
        shape=list(array.shape),
        edges=edges.tolist(),
        counts=counts.tolist(),
        mean=finite(known.mean()) if known.size else None,
        std=finite(known.std()) if known.size else None,
        non_finite=values.size - known.size,
    )
