"""The language of filters: tables of texts and trees, mistakes with their places, and every tree read back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keepbest.errors import InvalidInput
from keepbest.query.lexer import MAX_LENGTH
from keepbest.query.parser import parse
from keepbest.query.reader import MAX_DEPTH, MAX_TERMS
from keepbest.query.terms import And, Condition, Field, Kind, Not, Operand, Operator, Or, Part, Term, Words
from tests.support.filters import NOW, render, trees


def condition(kind: Kind, name: str, operator: Operator, *values: Operand, part: Part = "best") -> Condition:
    return Condition(Field(kind, name, part), operator, values)


A, B, C = Words("a"), Words("b"), Words("c")
DAY = datetime(2026, 11, 29, tzinfo=UTC)
ON_DAY = And((condition("column", "created", ">=", DAY), condition("column", "created", "<", DAY + timedelta(days=1))))

READ: list[tuple[str, Term | None]] = [
    ("", None),
    (" \t\n", None),
    ("a", A),
    ("a b", And((A, B))),
    ("a AND b Or c", Or((And((A, B)), C))),
    ("a and (b or c)", And((A, Or((B, C))))),
    ("not a b", And((Not(A), B))),
    ("not not a", Not(Not(A))),
    ("(a b) c", And((A, B, C))),
    ("-a -(b or c)", And((Not(A), Not(Or((B, C)))))),
    ('-"a"', Not(A)),
    ("--a", Words("--a")),
    ("-", Words("-")),
    ("mnist-cnn don't a/b wow!", And((Words("mnist-cnn"), Words("don't"), Words("a/b"), Words("wow!")))),
    (r"'it\'s' \"and\"".replace('\\"', '"'), And((Words("it's"), Words("and")))),
    ("trained in march", And((Words("trained"), Words("in"), Words("march")))),
    ("params.learning_rate < 1e-3", condition("parameter", "learning_rate", "<", 0.001)),
    ("param.model.width=64", condition("parameter", "model.width", "=", 64.0)),
    ("params.flag = TRUE", condition("parameter", "flag", "=", True)),
    ('params.seed = "42"', condition("parameter", "seed", "=", "42")),
    ("params.seed = none", condition("parameter", "seed", "=", None)),
    ("optimizer not in (adam, 'sgd')", condition("unknown", "optimizer", "not in", "adam", "sgd")),
    ("metrics.val_loss.last >= -1_0.5", condition("metric", "val_loss", ">=", -10.5, part="last")),
    ("metric.`my.loss`.min<3", condition("metric", "my.loss", "<", 3.0, part="min")),
    ('metrics."a b" == 3', condition("metric", "a b", "=", 3.0)),
    ("val_loss.step > 5", condition("unknown", "val_loss", ">", 5.0, part="step")),
    ('"gpu 0" > 5', condition("unknown", "gpu 0", ">", 5.0)),
    ("gpu/0/util > 5", condition("unknown", "gpu/0/util", ">", 5.0)),
    ("tag = vision", condition("tag", "", "=", "vision")),
    ("tags.team != 3", condition("tag", "team", "!=", "3")),
    ("tag ~ `a b`", condition("tag", "", "~", "a b")),
    ("state in (Failed, finished)", condition("column", "state", "in", "failed", "finished")),
    ("stop_reason = patience", condition("column", "reason", "=", "patience")),
    ("-state = failed", Not(condition("column", "state", "=", "failed"))),
    ("name = 12", condition("column", "name", "=", "12")),
    ("name = none", condition("column", "name", "=", None)),
    ('name = "none"', condition("column", "name", "=", "none")),
    ("name !~ old", condition("column", "name", "!~", "old")),
    ("id = 7f3k", condition("column", "id", "=", "7f3k")),
    ("best <> 3", condition("column", "best", "!=", 3.0)),
    ("duration > 2 h 5 min a", And((condition("column", "duration", ">", 7500.0), A))),
    ("duration < 90", condition("column", "duration", "<", 90.0)),
    ("created > 2 days ago a", And((condition("column", "created", ">", NOW - timedelta(days=2)), A))),
    ("created_at < 3h ago", condition("column", "created", "<", NOW - timedelta(hours=3))),
    ("created = yesterday", ON_DAY),
    ("created != 2026-11-29", Not(ON_DAY)),
    ("ended = none", condition("column", "ended", "=", None)),
    ("created >= 2026-11-29 10:30", condition("column", "created", ">=", DAY + timedelta(hours=10.5))),
    ("created >= 2026-11-29T12:30+02:00", condition("column", "created", ">=", DAY + timedelta(hours=10.5))),
]

MISTAKES: list[tuple[str, int, str]] = [
    ("val_loss >", 11, "A value was expected behind >, but here is the end"),
    ("val_loss > (", 12, "A value was expected behind >, but here is '('"),
    ("(a", 1, "This parenthesis is not closed"),
    ("a)", 2, "There is nothing for ')' to close"),
    ("a, b", 2, "There is nothing for ','"),
    ("name = 'b", 8, "The quote ' is not closed"),
    ("= 3", 1, "A name is missing in front of '='"),
    ("a or", 5, "A condition or a word was expected, but here is the end"),
    ("a and or b", 7, "but here is 'or'"),
    ("0.1 < rate", 1, "A name stands in front of <, not 0.1"),
    ("rate < fast", 8, "< wants a number, but got 'fast'"),
    ("state in failed", 7, "A list in parentheses was expected"),
    ("state not in failed", 7, "A list in parentheses was expected"),
    ("state = failled", 9, "There is no state 'failled'"),
    ("state < failed", 7, "state holds a text"),
    ("tag > 3", 5, "A tag holds a text"),
    ("created ~ x", 9, "created holds no text"),
    ("metrics.loss ~ x", 14, "The metric 'loss' holds no text"),
    ("metrics.loss = x", 16, "The metric 'loss' is compared with a number, but got 'x'"),
    ("metrics.loss > 1e999", 16, "compared with a number"),
    ("created > soon", 11, "'soon' is no moment"),
    ("created > 9999999 years ago", 11, "is no moment"),
    ("created > 0001-01-01", 11, "is no moment"),
    ("created in (today)", 9, "created is compared with < and >"),
    ("created = 2026-11-29T10:00", 11, "= wants a day"),
    ("best > none", 8, "> wants a value"),
    ("state in (failed", 10, "This list is not closed"),
    ("state in (failed queued)", 18, "A comma or ) was expected"),
    ("params. = 3", 7, "A name is missing behind the dot"),
    ("a\0", 2, "no NUL"),
    ("a \ud800", 3, "whole characters"),
    ("a " * MAX_LENGTH, MAX_LENGTH + 1, "at most 2,000 characters"),
    ("a " * (MAX_TERMS + 1), 2 * MAX_TERMS + 1, "at most 100 conditions"),
    (f"id in ({'a, ' * MAX_TERMS}a)", 308, "at most 100 conditions"),
    ("(" * (MAX_DEPTH + 1) + "a" + ")" * (MAX_DEPTH + 1), MAX_DEPTH + 2, "at most 20 deep"),
    ("not " * 400 + "a", 4 * (MAX_DEPTH + 1) + 1, "at most 20 deep"),
]


@pytest.mark.parametrize(("text", "term"), READ)
def test_a_filter_is_read(text: str, term: Term | None) -> None:
    assert parse(text, NOW) == term


@pytest.mark.parametrize(("text", "column", "message"), MISTAKES)
def test_a_mistake_is_shown_at_its_place(text: str, column: int, message: str) -> None:
    with pytest.raises(InvalidInput) as error:
        parse(text, NOW)
    assert error.value.field == "q"
    assert message in error.value.message
    assert f"(column {column} of the filter)" in error.value.message


def test_a_caret_stands_under_the_place() -> None:
    text = f"{'a ' * 80}best > x"
    with pytest.raises(InvalidInput) as error:
        parse(text, NOW)
    _, line, caret = error.value.message.split("\n")
    assert line[caret.index("^")] == "x"


def test_the_nearest_choice_is_named() -> None:
    with pytest.raises(InvalidInput) as error:
        parse("reason = patiense", NOW)
    assert error.value.hint == "Did you mean 'patience'?"


@given(trees())
def test_every_tree_is_read_back(tree: Term) -> None:
    assert parse(render(tree), NOW) == tree


_pieces = st.sampled_from(
    [
        "(",
        ")",
        ",",
        "=",
        "!=",
        "<",
        "~",
        "!~",
        "in",
        "not",
        "and",
        "or",
        "-",
        '"',
        "'",
        "`",
        ".",
        "\\",
        "a",
        "1e5",
        "2",
        "days",
        "ago",
        "created",
        "state",
        "tag",
        "tags.",
        "metrics.",
        "none",
        "é",
    ]
)


@given(st.text() | st.lists(_pieces | st.text(max_size=3)).map(" ".join) | st.lists(_pieces).map("".join))
def test_any_text_is_a_filter_or_a_mistake(text: str) -> None:
    result: Any = None
    try:
        result = parse(text, NOW)
    except InvalidInput as error:
        assert error.field == "q"  # noqa: PT017
    assert result is None or isinstance(result, Condition | Words | And | Or | Not)
