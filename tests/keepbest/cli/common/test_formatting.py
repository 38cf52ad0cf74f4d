"""Words: numbers and times for people, and nothing that steers a terminal."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keepbest.cli.common import formatting

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
    assert formatting.clean(text) == shown


@given(st.text())
def test_nothing_that_steers_is_left(text: str) -> None:
    for cleaned in (formatting.clean(text), formatting.clean_text(text), formatting.clean_log(text)):
        assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", cleaned)
    assert "\n" not in formatting.clean(text)


def test_clean_is_stable_on_what_it_made() -> None:
    once = formatting.clean("\x1b]0;title\x07")
    assert formatting.clean(once) == once


def test_logs_lose_their_colours_and_keep_their_lines() -> None:
    assert formatting.clean_log("\x1b[32mok\x1b[0m\r\n10%\r20%\n\ta\x07\x1b]0;owned\x07") == "ok\n20%\n\ta\\x07"


@pytest.mark.parametrize(
    ("value", "shown"), [(None, "-"), (0.97123456789, "0.971235"), (math.nan, "NaN"), (math.inf, "Infinity"), (3, "3")]
)
def test_numbers(value: float | None, shown: str) -> None:
    assert formatting.number(value) == shown


def test_ages_and_steps() -> None:
    assert formatting.age(NOW - timedelta(minutes=5), NOW) == "5 min 00 s"
    assert formatting.age(None, NOW) == "-"
    assert formatting.at_step(0.5, 1200) == "0.5 @ 1,200"
    assert formatting.at_step(0.5, None) == formatting.at_step(None, 1) == formatting.whole(None) == "-"
