"""The bootstrap of a mean (Efron and Tibshirani 1993): the same figures in any process, on any machine.

Which examples a resample holds depends on their number alone. It is read off the raw words of Philox, a counter-based
generator whose stream NumPy never changes (NEP 19), and not off its distributions, which it may. And the sums are of
whole numbers: exact in any order.
"""

from __future__ import annotations

import math
from typing import Any

RESAMPLES = 1000
_KEY = 1993
#: Bits kept of a value, counted from the highest of the largest one.
_BITS = 40
#: Examples drawn at once: what a processor's cache holds.
_AT_ONCE = 20_000


def bootstrap_quantile(values: Any, share: float) -> float:
    """Return the `share` quantile of the mean of `values`: of RESAMPLES means, the least that so many do not exceed.

    It is above 0 where fewer than this share of the means are not. `values` is a vector of finite numbers, at least
    one.
    """
    import numpy as np

    unit = math.frexp(float(np.abs(values).max()))[1] - _BITS
    sums = _resample(np.rint(np.ldexp(values, -unit)).astype(np.int64))
    place = max(0, math.ceil(share * RESAMPLES - 1e-9) - 1)
    return math.ldexp(int(np.partition(sums, place)[place]), unit) / len(values)


def _resample(numbers: Any) -> Any:
    """Return the sum of each resample: as many numbers as there are, drawn with replacement."""
    import numpy as np

    count, stream = len(numbers), np.random.Philox(key=_KEY)
    rows = max(1, _AT_ONCE // count)
    sums = [
        numbers.take(_draw(stream, min(rows, RESAMPLES - first), count), mode="clip").sum(axis=1)
        for first in range(0, RESAMPLES, rows)
    ]
    return np.concatenate(sums)


def _draw(stream: Any, rows: int, count: int) -> Any:
    """Return places below `count`, so many in each row: two to a word of 64 bits, and no bias above count / 2^32."""
    import numpy as np

    words = stream.random_raw(rows * -(-count // 2)).astype("<u8", copy=False)
    places = words.view("<u4").reshape(rows, -1)[:, :count].astype(np.uint64)
    places *= np.uint64(count)
    places >>= np.uint64(32)
    return places.view(np.int64)
