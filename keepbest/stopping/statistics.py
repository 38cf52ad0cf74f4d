"""How sure a measured share is, whether another on the same examples is higher, and how far several runs spread."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

#: The normal quantile of a two-sided 95 % interval.
Z_95 = 1.959963984540054


@dataclass(frozen=True)
class Interval:
    low: float
    high: float


def wilson(share: float, n: int, z: float = Z_95) -> Interval | None:
    """Return Wilson's score interval (1927) of a share of `n` examples; None if `share` is not within 0 and 1.

    Unlike p ± z sqrt(p (1 - p) / n) the interval stays within 0 and 1, and is right for shares near them.
    """
    if n < 1 or not 0 <= share <= 1:
        return None
    spread = z * z / n
    middle = (share + spread / 2) / (1 + spread)
    half = z / (1 + spread) * math.sqrt(share * (1 - share) / n + spread / (4 * n))
    return Interval(max(0.0, middle - half), min(1.0, middle + half))


@dataclass(frozen=True)
class McNemar:
    """Exact p-values: the chance that b exceeds c so far (`greater`), or that b and c differ so much (`two_sided`)."""

    greater: float
    two_sided: float


def mcnemar_exact(b: int, c: int) -> McNemar:
    """Test two models' answers to the same examples: `b` examples that only one model got right, `c` only the other.

    If neither model is better, b of the n = b + c examples is binomial with 1/2 (McNemar 1947, in its exact form):
    `greater` is P(X >= b), `two_sided` twice the smaller tail, at most 1. If n = 0, both are 1. Raises ValueError below
    zero.
    """
    if b < 0 or c < 0:
        raise ValueError(f"Pairs are counted from 0, but got {b} and {c}.")
    return McNemar(_half_tail(c, b + c), min(1.0, 2 * _half_tail(min(b, c), b + c)))


def _half_tail(most: int, n: int) -> float:
    """Return P(X <= most) for X binomial with n and 1/2, summed in whole numbers: exact for any n."""
    term = total = 1
    for k in range(1, most + 1):
        term = term * (n - k + 1) // k
        total += term
    return total / (1 << n)


@dataclass(frozen=True)
class Spread:
    """Median and range of a few numbers: with five seeds a standard deviation says little."""

    count: int
    median: float
    low: float
    high: float


def spread(values: Sequence[float]) -> Spread | None:
    """Return median and range of the finite values; None if there are none."""
    known = [value for value in values if math.isfinite(value)]
    return Spread(len(known), median(known), min(known), max(known)) if known else None
