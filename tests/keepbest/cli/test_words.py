"""Words: numbers and times for people, and nothing that steers a terminal."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keepbest.cli import words

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("Größe 数", "Größe 数"),
        ("\x1b[2J", "\\x1b[2J"),
        ("\x9b31m", "\\x9b31m"),
        ("a\nb\tc\r", "a\\x0ab\\x09c\\x0d"),
        ("abc\u202edef", "abc\\u202edef"),
        ("[bold]x[/bold]", "[bold]x[/bold]"),
        ("\udc80", "\\udc80"),
        (None, "None"),
    ],
)
def test_clean_shows_what_a_terminal_would_obey(text: object, shown: str) -> None:
    assert words.clean(text) == shown


@given(st.text())
def test_nothing_that_steers_is_left(text: str) -> None:
    for cleaned in (words.clean(text), words.clean_text(text), words.clean_log(text)):
        assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", cleaned)
    assert "\n" not in words.clean(text)


def test_clean_is_stable_on_what_it_made() -> None:
    once = words.clean("\x1b]0;title\x07")
    assert words.clean(once) == once


def test_logs_lose_their_colours_and_keep_their_lines() -> None:
    assert words.clean_log("\x1b[32mok\x1b[0m\r\n10%\r20%\n\ta\x07\x1b]0;owned\x07") == "ok\n20%\n\ta\\x07"


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0, "0 s"), (-3, "0 s"), (59.9, "59 s"), (61, "1 min 1 s"), (3600, "1 h 0 min"), (90061, "1 d 1 h")],
)
def test_durations(seconds: float, shown: str) -> None:
    assert words.duration(seconds) == shown


@pytest.mark.parametrize(
    ("value", "shown"), [(None, "-"), (0.97123456789, "0.971235"), (math.nan, "nan"), (math.inf, "inf"), (3, "3")]
)
def test_numbers(value: float | None, shown: str) -> None:
    assert words.number(value) == shown


def test_all_digits_where_they_count() -> None:
    assert words.number(0.1 + 0.2, 17) == "0.30000000000000004"


@pytest.mark.parametrize(("count", "shown"), [(0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (5 * 2**40, "5.0 TiB")])
def test_sizes(count: int, shown: str) -> None:
    assert words.size(count) == shown


def test_ages_and_steps() -> None:
    assert words.age(NOW - timedelta(minutes=5), NOW) == "5 min 0 s"
    assert words.age(None, NOW) == "-"
    assert words.at_step(0.5, 1200) == "0.5 @ 1,200"
    assert words.at_step(0.5, None) == words.at_step(None, 1) == words.whole(None) == "-"
