"""Moments and spans as people write them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from keepbest.query.moments import count_words, read_moment, read_span
from tests.support.filters import NOW

SPANS = [
    ("90 s", 90.0),
    ("90s", 90.0),
    ("1.5h", 5400.0),
    ("2 h 5 min", 7500.0),
    ("an hour", 3600.0),
    ("a week", 604_800.0),
    ("2 Months", 5_184_000.0),
    ("2", None),
    ("days", None),
    ("2 parsecs", None),
    ("2 h and", None),
    ("", None),
]

MOMENTS = [
    ("now", NOW),
    ("today", datetime(2026, 11, 30, tzinfo=UTC)),
    ("Yesterday", datetime(2026, 11, 29, tzinfo=UTC)),
    ("2 days ago", NOW - timedelta(days=2)),
    ("1 d 2 h ago", NOW - timedelta(hours=26)),
    ("2026-02-28", datetime(2026, 2, 28, tzinfo=UTC)),
    ("2026-02-28t10:30z", datetime(2026, 2, 28, 10, 30, tzinfo=UTC)),
    ("2026-02-28 10:30:15+01:00", datetime(2026, 2, 28, 9, 30, 15, tzinfo=UTC)),
    ("2026-02-30", None),
    ("tomorrow", None),
    ("2 days", None),
    ("ago", None),
    ("999999999 years ago", None),
    ("0001-01-01T00:00+10:00", None),
    ("9999-12-31", None),
]

WORDS = [
    ("2 days ago mnist", 3),
    ("2d ago", 2),
    ("2 h 5 min ago", 5),
    ("2 h 5 mnist", 2),
    ("yesterday mnist", 1),
    ("2026-11-01 10:30 mnist", 2),
    ("2026-11-01 mnist", 1),
    ("mnist ago", 1),
    ("90", 1),
]


@pytest.mark.parametrize(("words", "seconds"), SPANS)
def test_a_span_is_read(words: str, seconds: float | None) -> None:
    assert read_span(words) == seconds


@pytest.mark.parametrize(("words", "moment"), MOMENTS)
def test_a_moment_is_read(words: str, moment: datetime | None) -> None:
    assert read_moment(words, NOW) == moment


@pytest.mark.parametrize(("words", "count"), WORDS)
def test_the_words_of_a_moment_are_counted(words: str, count: int) -> None:
    assert count_words(words.split()) == count
