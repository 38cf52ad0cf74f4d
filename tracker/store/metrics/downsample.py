"""Chooses fewer points that look the same on a chart: the lowest and highest of each bucket, and non-finite ones."""

from __future__ import annotations

from typing import cast

import numpy as np
from numpy.typing import NDArray

Chosen = NDArray[np.intp]


def select_extremes(values: NDArray[np.float64], buckets: int) -> Chosen:
    """Return the places, in order, of the points that remain of `values` when each of `buckets` keeps its extremes.

    The first and last point stay. Each bucket keeps its lowest and highest finite point, the earliest of equal ones,
    and its first NaN, +inf and -inf: five points at most, two where all are finite.
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
    """Return the places of at most `most` points of `values`, always with those in `keep`.

    Where many values are not finite, so that the buckets keep too many points, fewer and wider buckets are used. Of
    too few points, the last, the first, the lowest and the highest come first.
    """
    if len(values) <= most:
        return np.arange(len(values))
    kept = np.empty(0, np.intp) if keep is None else keep
    room = max(0, most - len(kept))
    buckets = max(1, room // 2 - 1)
    chosen = select_extremes(values, buckets)
    while len(chosen) > room and buckets > 1:
        buckets //= 2
        chosen = select_extremes(values, buckets)
    return np.union1d(_choose_few(values, chosen, room), kept).astype(np.intp)


def _choose_few(values: NDArray[np.float64], chosen: Chosen, most: int) -> Chosen:
    if len(chosen) <= most:
        return chosen
    finite = chosen[np.isfinite(values[chosen])]
    extremes = [finite[values[finite].argmin()], finite[values[finite].argmax()]] if len(finite) else []
    ranked = dict.fromkeys([chosen[-1], chosen[0], *extremes, *chosen])
    return np.array(sorted([*ranked][:most]), np.intp)


def _extremes(values: NDArray[np.float64], width: int) -> Chosen:
    """Return the places of each bucket's lowest and highest finite value; none of a bucket without finite values."""
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
