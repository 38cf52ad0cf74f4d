"""Moments and spans of time as people write them: `2 days ago`, `yesterday`, `2026-11-01`, `90 min`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

_SECONDS = {"s": 1, "min": 60, "h": 3600, "d": 86_400, "w": 7 * 86_400, "month": 30 * 86_400, "year": 365 * 86_400}
_NAMES = {
    "s": ("s", "sec", "secs", "second", "seconds"),
    "min": ("m", "min", "mins", "minute", "minutes"),
    "h": ("h", "hr", "hrs", "hour", "hours"),
    "d": ("d", "day", "days"),
    "w": ("w", "week", "weeks"),
    "month": ("month", "months"),
    "year": ("y", "year", "years"),
}
#: Seconds of each unit, by every name that it has.
UNITS = {name: _SECONDS[unit] for unit, names in _NAMES.items() for name in names}
_SPAN = re.compile(r"(\d{1,9}(?:\.\d{1,9})?\s*|an?\s+)([a-z]+)", re.IGNORECASE)
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_CLOCK = re.compile(r"\d{2}:\d{2}.*")
_DAYS_BACK = {"today": 0, "yesterday": 1}
#: Years that both databases keep, in every zone.
FIRST_YEAR, LAST_YEAR = 1900, 2999


def read_span(words: str) -> float | None:
    """Return the seconds of `90 min`, `1.5h` or `2 h 5 min`; None where it is no span.

    >>> read_span("2 h 5 min")
    7500.0
    """
    spans = _SPAN.findall(words)
    if not spans or _SPAN.sub("", words).strip() or any(unit.lower() not in UNITS for _, unit in spans):
        return None
    return float(sum((1.0 if count[0] in "aA" else float(count)) * UNITS[unit.lower()] for count, unit in spans))


def read_moment(words: str, now: datetime) -> datetime | None:
    """Return the moment that the words mean, in UTC where they name no zone; None where they mean none.

    Args:
        words: `now`, `today`, `yesterday`, `2 days ago`, `2026-11-01`, `2026-11-01 10:30`, or any ISO 8601.
        now: The present moment, from which `ago` counts.
    """
    low = words.lower().strip()
    if low == "now":
        return now
    if low in _DAYS_BACK:
        return _midnight(now) - timedelta(days=_DAYS_BACK[low])
    if low.endswith("ago"):
        span = read_span(low.removesuffix("ago"))
        return None if span is None else _back(now, span)
    return _read_iso(words.strip())


def names_day(words: str) -> bool:
    """Whether the words name a whole day, not a moment of it."""
    return words.lower().strip() in _DAYS_BACK or _DAY.fullmatch(words.strip()) is not None


def count_words(words: Sequence[str]) -> int:
    """Return how many of the words at the beginning make one moment or one span; 1 where they make none.

    >>> count_words(["2", "days", "ago", "mnist"])
    3
    """
    if len(words) > 1 and _DAY.fullmatch(words[0]) and _CLOCK.fullmatch(words[1]):
        return 2
    taken = 0
    while taken < len(words):
        length = next((length for length in (1, 2) if _is_span(" ".join(words[taken : taken + length]))), None)
        if length is None:
            break
        taken += length
    taken += 0 < taken < len(words) and words[taken].lower() == "ago"
    return max(taken, 1)


def _is_span(text: str) -> bool:
    match = _SPAN.fullmatch(text)
    return match is not None and match[2].lower() in UNITS


def _midnight(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def _back(now: datetime, seconds: float) -> datetime | None:
    try:
        moment = now - timedelta(seconds=seconds)
    except OverflowError:
        return None
    return moment if moment.year > FIRST_YEAR else None


def _read_iso(text: str) -> datetime | None:
    if not _DAY.match(text):
        return None
    try:
        moment = datetime.fromisoformat(text.upper())
        moment = moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None
    return moment if FIRST_YEAR < moment.year < LAST_YEAR else None
