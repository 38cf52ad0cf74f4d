"""Names in any script, with emoji and signs; what cannot be seen is refused, or replaced where a script says it."""

from __future__ import annotations

import logging

import pytest

from keepbest.contract.names import check_name, check_word, to_name, to_word
from keepbest.contract.runs import RunRequest
from keepbest.journal.values import nearest_name

GOOD = [
    "a",
    "lr=0.1, wd=1e-4 (cosine)",
    "学习率 0.1",
    "эксперимент",
    "🚀 best 👩‍🔬",
    "(baseline)",
    "_x",
    "a/b",
    "naïve",
    "תוצאה",
    "x" * 100,
]


@pytest.mark.parametrize("name", GOOD)
def test_names_in_any_script_are_taken(name: str) -> None:
    assert check_name(name) == name == to_name(name) == nearest_name("name", name)
    asked = RunRequest.model_validate({"source": {"kind": "external"}, "name": name, "project": name, "tags": [name]})
    assert (asked.name, asked.project, asked.tags) == (name, name, [name])


def test_a_name_is_composed() -> None:
    assert check_name("naive\u0301") == check_name("naiv\u00e9") == "naiv\u00e9"


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("a\nb", "a\ufffdb"),
        ("\u202egnp.exe", "\ufffdgnp.exe"),
        ("a\u2066b", "a\ufffdb"),
        ("a\0", "a\ufffd"),
        ("\ud800x", "\ufffdx"),
        ("-rf", "rf"),
        ("../../etc", "etc"),
        (" x ", "x"),
        ("x" * 101, "x" * 100),
        ("", ""),
        ("\u0958" * 100, "\u0915\u093c" * 50),
    ],
)
def test_invisible_characters_are_refused_or_replaced(
    name: str, nearest: str, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(ValueError, match="a name"):
        check_name(name)
    assert to_name(name) == nearest
    if nearest:
        assert check_name(nearest) == nearest
    assert nearest_name("name", name) == (nearest or None)
    assert [record.levelno for record in caplog.records] == [logging.WARNING] * (nearest != name)


def test_a_metric_is_called_what_it_is() -> None:
    assert check_word("-loss (top-5), ü") == to_word("-loss (top-5), ü") == "-loss (top-5), ü"
    assert to_word("a\tb" + "x" * 300) == "a\ufffdb" + "x" * 197
