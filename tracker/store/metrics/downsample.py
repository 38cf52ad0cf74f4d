"""Fewer points that validation the same: of each bucket the lowest and the highest, and everything a chart must not
lose.
"""

from __future__ import annotations

from typing import cast

import numpy as np
from numpy.typing import NDArray

Chosen = NDArray[np.intp]


def select_extremes(values: NDArray[np.float64], buckets: int) -> Chosen:
    """Return the places, in order, of what remains of `values` when each of `buckets` keeps its extremes.

    Kept are the first and the last point, of each bucket the (earliest) lowest and highest finite one, and of each
    bucket the first NaN, +inf and -inf: at most five a bucket, two where all is finite.
    """
    count = len(values)
    if count <= 2 * buckets:
        return np.arange(count)
    width = -(-count // buckets)
    places = [np.array([0, count - 1]), _extremes(values, width)]
    if not np.isfinite(values).all():
        odd = (np.isnan(values), np.isposinf(values), np.isneginf(values))
        places += [_firsts(mask, width) for mask in odd if mask.any()]
    return np.unique(np.concatenate(places))


def thin(values: NDArray[np.float64], most: int, keep: Chosen | None = None) -> Chosen:
    """Return the places of at most about `most` points of `values`; those in `keep` are always among them.

    Where so much is not finite that the buckets overflow, they are made wider; what must be kept is kept in any case.
    """
    buckets = max(1, most // 2 - 1)
    chosen = select_extremes(values, buckets)
    while len(chosen) > most and buckets > 1:
        buckets //= 2
        chosen = select_extremes(values, buckets)
    return chosen if keep is None or not len(keep) else np.union1d(chosen, keep)


def _extremes(values: NDArray[np.float64], width: int) -> Chosen:
    """Return the places of the lowest and highest finite value of each bucket of `width`; none of an empty bucket."""
    finite = np.isfinite(values)
    low = _in_buckets(np.where(finite, values, np.inf), width, np.inf).argmin(axis=1)
    high = _in_buckets(np.where(finite, values, -np.inf), width, -np.inf).argmax(axis=1)
    starts = np.arange(len(low)) * width
    places = np.concatenate([starts + low, starts + high])
    inside = places[places < len(values)]
    return cast(Chosen, inside[finite[inside]])


def _in_buckets(values: NDArray[np.float64], width: int, filler: float) -> NDArray[np.float64]:
    missing = -len(values) % width
    padded = np.concatenate([values, np.full(missing, filler)]) if missing else values
    return padded.reshape(-1, width)


def _firsts(mask: NDArray[np.bool_], width: int) -> Chosen:
    """Return the first place in each bucket where `mask` holds."""
    places = np.flatnonzero(mask)
    _, first = np.unique(places // width, return_index=True)
    return places[first]
