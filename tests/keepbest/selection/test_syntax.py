"""Selectors as text: what is read, and where an error points."""

from __future__ import annotations

from typing import Any

import pytest

from keepbest.errors import InvalidInput
from keepbest.selection.selectors import SELECTORS, build
from keepbest.selection.syntax import parse
from keepbest.stopping import render


@pytest.mark.parametrize(
    ("text", "params"),
    [("greedy_soup", {}), ("greedy_soup()", {}), (" greedy_soup ( k = 3 ) ", {"k": 3}), ("greedy_soup(3)", {"k": 3})],
)
def test_a_name_with_arguments(text: str, params: dict[str, Any]) -> None:
    assert parse(text) == {"name": "greedy_soup", "params": params}


@pytest.mark.parametrize("name", SELECTORS)
def test_what_is_written_is_read_back(name: str) -> None:
    settled = build({"name": name}).to_json()
    assert parse(render(settled)) == settled


@pytest.mark.parametrize(
    ("text", "at", "field"),
    [
        ("gredy_soup(k=3)", 0, "selector.name"),
        ("greedy_soup(n=3)", 12, "selector.params.n"),
        ("greedy_soup(k=1)", 14, "selector.params.k"),
        ("greedy_soup(k=3) | best", 17, "selector"),
        ("3", 0, "selector"),
        ("", 0, "selector"),
    ],
)
def test_an_error_points_at_the_place(text: str, at: int, field: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        parse(text)
    assert caught.value.field == field
    assert caught.value.message.splitlines()[-1] == f"  {' ' * at}^"


def test_a_long_text_is_refused() -> None:
    with pytest.raises(InvalidInput, match="at most 2000 characters"):
        parse("x" * 2001)
