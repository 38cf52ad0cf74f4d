"""The value behind a comparison, read as what its field holds: a number, a text, a moment, a span of time, a choice."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from datetime import datetime

from keepbest.hints import nearest
from keepbest.query.columns import COLUMNS, ValueKind
from keepbest.query.lexer import FilterToken
from keepbest.query.moments import count_words, read_moment, read_span
from keepbest.query.reader import Reader
from keepbest.query.terms import Field, Operand, Operator

_NUMBER = re.compile(r"[-+]?(?:\d[\d_]*\.?\d*|\.\d+)(?:[eE][-+]?\d+)?")
_WORDS: dict[str, bool | None] = {"true": True, "false": False, "none": None, "null": None}
_NONE = ("none", "null")
#: Words of a moment or a span are at most these: `1 d 2 h 3 min 4 s ago`.
_MOST_WORDS = 10
ORDER = ("<", "<=", ">", ">=")
TEXT = ("~", "!~")


@dataclass(frozen=True, slots=True)
class WrittenValue:
    """A value, the words that it was written with, and where."""

    value: Operand
    words: str
    place: int


def kind_of(field: Field) -> ValueKind | None:
    """Return what a field holds; None for one whose values may be numbers or texts: a parameter, an unknown name."""
    if field.kind == "column":
        return COLUMNS[field.name].kind
    return {"metric": "number", "tag": "text"}.get(field.kind)  # type: ignore[return-value]


def check_operator(reader: Reader, field: Field, operator: Operator, place: int) -> None:
    """Raise InvalidInput where a field of this kind is not compared in this way."""
    kind = kind_of(field)
    if operator in TEXT and kind in ("number", "duration", "time"):
        reader.fail(place, f"{_name(field)} holds no text, for {operator} to look into", "Use = < > or in.")
    if operator in ORDER and kind in ("text", "choice", "id"):
        reader.fail(place, f"{_name(field)} holds a text, which is neither more nor less", "Use = != ~ or in.")
    if operator in ("in", "not in") and kind == "time":
        reader.fail(place, f"{_name(field)} is compared with < and >, or = and a day", "created > 2 days ago")


def read_value(reader: Reader, field: Field, operator: Operator, now: datetime) -> WrittenValue:
    """Read one value at the reader's place, as what the field holds."""
    token = reader.next
    if token.kind not in ("word", "text"):
        what = "the end" if token.kind == "end" else repr(token.text)
        reader.fail(token.start, f"A value was expected behind {operator}, but here is {what}")
    words = _take_words(reader, kind_of(field))
    if token.kind == "word" and words.lower() in _NONE:
        if operator in ORDER + TEXT:
            reader.fail(token.start, f"{operator} wants a value; no value is said with = or !=", "worker = none")
        return WrittenValue(None, words, token.start)
    if operator in TEXT:
        return WrittenValue(words, words, token.start)
    return WrittenValue(_read(reader, field, token, words, operator, now), words, token.start)


def _take_words(reader: Reader, kind: ValueKind | None) -> str:
    """Take one token, or the several words of a moment or a span."""
    if kind not in ("time", "duration") or reader.next.kind == "text":
        return reader.advance().value
    follow: list[FilterToken] = []
    while len(follow) < _MOST_WORDS and (token := reader.look(len(follow))).kind == "word":
        follow.append(token)
    return " ".join(reader.advance().text for _ in range(count_words([token.text for token in follow])))


def _read(reader: Reader, field: Field, token: FilterToken, words: str, operator: Operator, now: datetime) -> Operand:
    match kind_of(field):
        case "number":
            return _read_number(reader, field, token, words)
        case "duration":
            span = read_span(words)
            return span if span is not None else _read_number(reader, field, token, words, "2 hours, or 90 seconds")
        case "time":
            moment = read_moment(words, now)
            hint = "2 days ago, yesterday, 2026-11-01, or 2026-11-01T10:30+01:00"
            return moment if moment is not None else reader.fail(token.start, f"{words!r} is no moment", hint)
        case "choice":
            return _read_choice(reader, field, token, words)
        case "text" | "id":
            return words
    value = _guess(token, words)
    if operator in ORDER and not (isinstance(value, float) and not isinstance(value, bool)):
        reader.fail(
            token.start, f"{operator} wants a number, but got {words!r}", "A text is compared with = != ~ or in."
        )
    return value


def _read_number(reader: Reader, field: Field, token: FilterToken, words: str, hint: str | None = None) -> float:
    number = to_number(words)
    if number is None:
        reader.fail(token.start, f"{_name(field)} is compared with a number, but got {words!r}", hint)
    return number


def _read_choice(reader: Reader, field: Field, token: FilterToken, words: str) -> str:
    choices = COLUMNS[field.name].choices
    choice = words.lower()
    if choice not in choices:
        reader.fail(token.start, f"There is no {field.name} {words!r}", nearest(choice, choices))
    return choice


def _guess(token: FilterToken, words: str) -> Operand:
    """Read what may be anything: a text in quotes is a text, a word may be a number, true or false."""
    if token.kind == "text":
        return words
    if words.lower() in _WORDS:
        return _WORDS[words.lower()]
    number = to_number(words)
    return words if number is None else number


def to_number(words: str) -> float | None:
    """Return the finite number that a word is; None where it is none."""
    if not _NUMBER.fullmatch(words):
        return None
    number = float(words.replace("_", ""))
    return number if math.isfinite(number) else None


def _name(field: Field) -> str:
    return {"metric": f"The metric {field.name!r}", "tag": "A tag"}.get(field.kind, field.name)
