"""Learning rates that nobody means: told, never refused."""

from __future__ import annotations

import math

#: Rates outside are typing errors nearly always; schedules and tests may still want them.
LEAST, MOST = 1e-9, 10.0
#: The same for a multiple of what the rate is.
MOST_TIMES = 100.0


def find_absurd(rate: float) -> str | None:
    """Return what is odd about a learning rate, or None."""
    if not math.isfinite(rate):
        return f"a learning rate of {rate} trains nothing"
    if rate == 0:
        return "with a learning rate of 0 nothing is learned"
    if rate < 0:
        return f"a learning rate of {rate:g} goes uphill"
    if rate > MOST:
        return f"a learning rate of {rate:g} is very large; most optimizers are used below 1"
    return f"a learning rate of {rate:g} is so small that nothing will be learned" if rate < LEAST else None


def find_absurd_text(text: str | None) -> str | None:
    """The same for `3e-5`, or `0.1x` of what it was; None also for what is neither."""
    times = text is not None and text.endswith("x")
    try:
        value = float((text or "").removesuffix("x"))
    except ValueError:
        return None
    if not times:
        return find_absurd(value)
    if value <= 0 or value > MOST_TIMES:
        return f"{text} of the learning rate is hardly meant"
    return None
