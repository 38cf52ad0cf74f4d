"""Finds learning rates that are probably typing errors, for a warning; no such rate is refused."""

from __future__ import annotations

import math

from keepbest.figures import figure

#: Rates outside these limits are nearly always typing errors, but schedules and tests may want them.
LEAST, MOST = 1e-9, 10.0
#: The limit for a multiple of the present rate.
MOST_TIMES = 100.0


def find_absurd(rate: float) -> str | None:
    """Return what is odd about a learning rate, or None."""
    if not math.isfinite(rate):
        return f"a learning rate of {rate} trains nothing"
    if rate == 0:
        return "with a learning rate of 0 nothing is learned"
    if rate < 0:
        return f"a learning rate of {figure(rate)} goes uphill"
    if rate > MOST:
        return f"a learning rate of {figure(rate)} is very large; most optimizers are used below 1"
    return f"a learning rate of {figure(rate)} is so small that nothing will be learned" if rate < LEAST else None


def find_absurd_text(text: str | None) -> str | None:
    """Return what is odd about a rate as text, `3e-5`, or `0.1x` of the present rate; None also for any other text."""
    times = text is not None and text.endswith("x")
    try:
        value = float((text or "").removesuffix("x"))
    except ValueError:
        return None
    if not times:
        return find_absurd(value)
    if value <= 0 or value > MOST_TIMES:
        return f"{text} of the learning rate is probably a typing error"
    return None
