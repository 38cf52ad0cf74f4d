"""Numbers as people read them: the same on the command line, in reports and messages, and on the pages.

`webui/src/lib/ui/format.ts` is its twin; both pass the table `tests/support/figures.json`. Counts have commas between
their thousands (`f"{steps:,}"`). Measured values have none: people paste them into code.
"""

from __future__ import annotations

import math
from decimal import ROUND_HALF_UP, Context, Decimal

#: Six significant digits tell two validations apart, and leave out the dust of a float32.
DIGITS = 6
_LEAST, _MOST = 1e-4, 1e9
_SIZES = ("B", "kB", "MB", "GB", "TB")


def figure(value: float, digits: int = DIGITS) -> str:
    """Return a measured value in a few significant digits.

    Args:
        value: any float; NaN and the infinities go by the names that the API gives them.
        digits: how many digits count.

    Example: `figure(0.9866666793823242)` is `"0.986667"`, `figure(0.0000123)` is `"1.23e-5"`.
    """
    value = float(value)  # of whatever kind of float it is
    if not math.isfinite(value):
        return "NaN" if value != value else "Infinity" if value > 0 else "-Infinity"
    if value == int(value) and abs(value) < _MOST:
        return str(int(value))
    rounded = Context(prec=digits, rounding=ROUND_HALF_UP).create_decimal(value)
    if _LEAST <= abs(value) < _MOST:
        return _trim(f"{rounded:f}")
    digits_of, exponent = f"{rounded:e}".split("e")
    return f"{_trim(digits_of)}e{int(exponent)}"


def size(count: float) -> str:
    """Return bytes in the unit that fits, in steps of 1000: `size(1234)` is `"1.2 kB"`."""
    unit = 0
    while count >= 999.5 and unit < len(_SIZES) - 1:
        count, unit = count / 1000, unit + 1
    return f"{_round(count, 0 if unit == 0 or count >= 99.5 else 1)} {_SIZES[unit]}"


def duration(seconds: float) -> str:
    """Return the two largest units: `duration(7500)` is `"2 h 05 min"`."""
    whole = max(0, int(_round(seconds, 0)))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    if whole < 86400:
        return f"{whole // 3600} h {whole % 3600 // 60:02} min"
    return f"{whole // 86400} d {whole % 86400 // 3600} h"


def _trim(text: str) -> str:
    return text.rstrip("0").rstrip(".") if "." in text else text


def _round(value: float, places: int) -> str:
    """Return `value` rounded half up, as JavaScript rounds."""
    return str(Decimal(value).quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP))
