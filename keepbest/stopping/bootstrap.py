"""The bootstrap of a mean (Efron and Tibshirani 1993): the same figures in any process, on any machine.

Which examples a resample holds depends on their number alone. It is read off the raw words of Philox, a counter-based
generator whose stream NumPy never changes (NEP 19), and not off its distributions, which it may. And the sums are of
whole numbers: exact in any order.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from hashlib import blake2b
from threading import Lock
from typing import Any

RESAMPLES = 1000
_KEY = 1993
#: Bits kept of a value, counted from the highest of the largest one.
_BITS = 40
#: Examples drawn at once, an even number: 128 kB, which malloc does not ask the system for each time.
_AT_ONCE = 16_000
#: Resamplings kept, of 8 kB each.
_REMEMBERED = 1000
_known: OrderedDict[bytes, Any] = OrderedDict()
_lock = Lock()


def bootstrap_quantile(values: Any, share: float) -> float:
    """Return the `share` quantile of the mean of `values`: of RESAMPLES means, the least that so many do not exceed.

    It is above 0 where fewer than this share of the means are not. `values` is a vector of finite numbers, at least
    one.
    """
    import numpy as np

    unit = math.frexp(float(np.abs(values).max()))[1] - _BITS
    sums = _remember(np.rint(np.ldexp(values, -unit)).astype(np.int64))
    place = max(0, math.ceil(share * RESAMPLES - 1e-9) - 1)
    return math.ldexp(int(sums[place]), unit) / len(values)


def _remember(numbers: Any) -> Any:
    """Return the sums of the resamples in order: policies that are replayed over one run ask for the same ones."""
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
    """Return the sum of each resample: as many numbers as there are, drawn with replacement."""
    import numpy as np

    count, stream = len(numbers), np.random.Philox(key=_KEY)
    rows = max(1, _AT_ONCE // count)
    return np.concatenate(
        [_sum_rows(numbers, stream, min(rows, RESAMPLES - first)) for first in range(0, RESAMPLES, rows)]
    )


def _sum_rows(numbers: Any, stream: Any, rows: int) -> Any:
    """Return the sums of so many resamples; of one that is large, piece by piece."""
    count = len(numbers)
    widths = (min(_AT_ONCE, count - first) for first in range(0, count, _AT_ONCE))
    return sum(numbers.take(_draw(stream, rows, width, count), mode="clip").sum(axis=1) for width in widths)


def _draw(stream: Any, rows: int, width: int, count: int) -> Any:
    """Return places below `count`, `width` in each row: two to a word of 64 bits, and no bias above count / 2^32."""
    import numpy as np

    words = stream.random_raw(rows * -(-width // 2)).astype("<u8", copy=False)
    places = words.view("<u4").reshape(rows, -1)[:, :width].astype(np.uint64)
    places *= np.uint64(count)
    places >>= np.uint64(32)
    return places.view(np.int64)
