"""Reads tokens into a tree: `or` binds loosest, then `and` (also unwritten), then `not`; parentheses group.

What one condition looks like is the business of a grammar: a function that reads one at the reader's place.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NoReturn

from keepbest.query.lexer import FilterToken, split
from keepbest.query.mistakes import mistake
from keepbest.query.terms import Not, Term, all_of, any_of

#: Levels of parentheses and `not`.
MAX_DEPTH = 20
#: Conditions, words, and values of lists, in all.
MAX_TERMS = 100


@dataclass
class Reader:
    """The tokens of one filter, and how far they are read."""

    text: str
    tokens: list[FilterToken]
    read_condition: Callable[[Reader], Term]
    position: int = 0
    terms: int = 0

    @property
    def next(self) -> FilterToken:
        return self.tokens[self.position]

    def look(self, further: int) -> FilterToken:
        """Return the token that stands so many behind the next one; behind the last there is the end."""
        return self.tokens[min(self.position + further, len(self.tokens) - 1)]

    def advance(self) -> FilterToken:
        """Return the next token and go past it; the end stays."""
        token = self.next
        self.position = min(self.position + 1, len(self.tokens) - 1)
        return token

    def take_sign(self, *signs: str) -> bool:
        """Go past the next token if it is one of these signs."""
        is_there = self.next.is_sign(*signs)
        self.position += is_there
        return is_there

    def take_word(self, *words: str) -> bool:
        """Go past the next token if it is one of these words."""
        is_there = self.next.is_word(*words)
        self.position += is_there
        return is_there

    def count_term(self, place: int) -> None:
        """Count one condition, word or value; raises InvalidInput for one too many."""
        self.terms += 1
        if self.terms > MAX_TERMS:
            self.fail(place, f"A filter has at most {MAX_TERMS} conditions, words and values")

    def fail(self, place: int, message: str, hint: str | None = None) -> NoReturn:
        raise mistake(self.text, place, message, hint)


def read(text: str, read_condition: Callable[[Reader], Term]) -> Term | None:
    """Read a whole filter; None for one that is empty.

    Args:
        text: The filter.
        read_condition: Reads one condition of the grammar, which begins at the reader's next token.

    Raises:
        InvalidInput: The text is no filter; the error says where.
    """
    reader = Reader(text, split(text), read_condition)
    if len(reader.tokens) == 1:
        return None
    term = _read_or(reader, 0)
    rest = reader.next
    if rest.kind != "end":
        reader.fail(rest.start, f"There is nothing for {rest.text!r} to close or to join")
    return term


def _read_or(reader: Reader, depth: int) -> Term:
    parts = [_read_and(reader, depth)]
    while reader.take_word("or"):
        parts.append(_read_and(reader, depth))
    return any_of(parts)


def _read_and(reader: Reader, depth: int) -> Term:
    parts = [_read_not(reader, depth)]
    while reader.take_word("and") or _begins_term(reader.next):
        parts.append(_read_not(reader, depth))
    return all_of(parts)


def _begins_term(token: FilterToken) -> bool:
    return token.is_sign("(") or token.kind == "text" or (token.kind == "word" and not token.is_word("or"))


def _read_not(reader: Reader, depth: int) -> Term:
    if depth > MAX_DEPTH:
        reader.fail(reader.next.start, f"Parentheses and `not` are at most {MAX_DEPTH} deep")
    if reader.take_word("not") or _take_dash(reader):
        return Not(_read_not(reader, depth + 1))
    if not reader.take_sign("("):
        return _read_term(reader)
    begin = reader.look(-1).start
    term = _read_or(reader, depth + 1)
    if not reader.take_sign(")"):
        reader.fail(begin, "This parenthesis is not closed", "Write a ) behind it.")
    return term


def _take_dash(reader: Reader) -> bool:
    """Take the dash of `-word`; what follows it is read as if it stood alone."""
    token = reader.next
    if token.kind != "word" or not token.text.startswith("-") or token.text.startswith("--"):
        return False
    if len(token.text) > 1:
        reader.tokens[reader.position] = FilterToken("word", token.text[1:], token.start + 1, token.end)
        return True
    follows = reader.look(1)
    is_joined = follows.start == token.end and (follows.is_sign("(") or follows.kind == "text")
    reader.position += is_joined
    return is_joined


def _read_term(reader: Reader) -> Term:
    token = reader.next
    if token.kind == "end" or token.is_sign(")") or token.is_word("and", "or"):
        what = "the end" if token.kind == "end" else repr(token.text)
        reader.fail(
            token.start, f"A condition or a word was expected, but here is {what}", "For example: state = failed"
        )
    reader.count_term(token.start)
    return reader.read_condition(reader)
