"""The bootstrap of a mean (Efron and Tibshirani 1993): the same figures in any process, on any machine.

The number of examples alone decides which of them a resample holds. The draws come from the raw words of Philox, a
counter-based generator: NumPy never changes that stream (NEP 19), but may change its distributions. The sums are of
whole numbers, so they are exact in any order.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from hashlib import blake2b
from threading import Lock
from typing import Any

RESAMPLES = 1000
_KEY = 1993
#: Bits kept of each value, counted from the highest bit of the largest value.
_BITS = 40
#: Examples drawn at once, an even number. Their 128 kB are few enough that malloc reuses the memory.
_AT_ONCE = 16_000
#: Results kept in memory, of 8 kB each.
_REMEMBERED = 1000
_known: OrderedDict[bytes, Any] = OrderedDict()
_lock = Lock()


def bootstrap_quantile(values: Any, share: float) -> float:
    """Return the `share` quantile of the mean of `values` over RESAMPLES resamples.

    The quantile is above 0 if fewer than this share of the means are 0 or below. `values` is a vector of one or more
    finite numbers.
    """
    import numpy as np

    unit = math.frexp(float(np.abs(values).max()))[1] - _BITS
    sums = _remember(np.rint(np.ldexp(values, -unit)).astype(np.int64))
    place = max(0, math.ceil(share * RESAMPLES - 1e-9) - 1)
    return math.ldexp(int(sums[place]), unit) / len(values)


def _remember(numbers: Any) -> Any:
    """Return the sorted sums of the resamples, and remember them: a replay of several policies asks again."""
    digest = blake2b(numbers.tobytes(), digest_size=16).digest()
    with _lock:
        known = _known.get(digest)
    if known is None:
        known = _resample(numbers)
        known.sort()
        with _lock:
            while len(_known) >= _REMEMBERED:
                _known.popitem(last=False)
            _known[digest] = known
    return known


def _resample(numbers: Any) -> Any:
    """Return the sum of each resample, which draws as many numbers as there are, with replacement."""
    import numpy as np

    count, stream = len(numbers), np.random.Philox(key=_KEY)
    rows = max(1, _AT_ONCE // count)
    return np.concatenate(
        [_sum_rows(numbers, stream, min(rows, RESAMPLES - first)) for first in range(0, RESAMPLES, rows)]
    )


def _sum_rows(numbers: Any, stream: Any, rows: int) -> Any:
    """Return the sums of `rows` resamples; a large resample is summed piece by piece."""
    count = len(numbers)
    widths = (min(_AT_ONCE, count - first) for first in range(0, count, _AT_ONCE))
    return sum(numbers.take(_draw(stream, rows, width, count), mode="clip").sum(axis=1) for width in widths)


def _draw(stream: Any, rows: int, width: int, count: int) -> Any:
    """Return random places below `count`, `width` in each row: two of each 64-bit word, bias at most count / 2^32."""
    import numpy as np

    words = stream.random_raw(rows * -(-width // 2)).astype("<u8", copy=False)
    places = words.view("<u4").reshape(rows, -1)[:, :width].astype(np.uint64)
    places *= np.uint64(count)
    places >>= np.uint64(32)
    return places.view(np.int64)
