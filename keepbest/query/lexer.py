"""A filter as tokens: words, texts in quotes, signs. Every grammar of filters shares them.

A word ends at a space, a parenthesis, a comma or a comparison; a part of it in backquotes holds any letters
(``metrics.`my loss`.last``). Texts stand in double or single quotes. A backslash takes the letter behind it as it is.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from keepbest.query.mistakes import mistake

#: Characters of a filter.
MAX_LENGTH = 2000

_TOKENS = re.compile(
    r"""\s*(?:
      (?P<text>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')
    | (?P<sign>==|!=|<>|<=|>=|!~|[=<>~(),])
    | (?P<word>(?:`(?:[^`\\]|\\.)*`|(?<=\.)"(?:[^"\\]|\\.)*"|(?<=\w)'|!(?![=~])|[^\s(),=<>~!"'`])+)
    | (?P<end>\Z)
    | (?P<open>["'`].*)
    )""",
    re.VERBOSE | re.DOTALL,
)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
#: What a dotted name is made of: quoted parts, dots, and the rest.
_PIECES = re.compile(r"""(?P<quoted>`(?:[^`\\]|\\.)*`|"(?:[^"\\]|\\.)*")|(?P<dot>\.)|(?P<plain>[^.`"]+)""", re.DOTALL)
#: What no database keeps.
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class FilterToken:
    """One token of the text `text[start:end]`; `open` is a text whose quote is not closed."""

    kind: Literal["word", "text", "sign", "end", "open"]
    text: str
    start: int
    end: int

    def is_word(self, *words: str) -> bool:
        """Whether it is one of these words, in upper or lower case."""
        return self.kind == "word" and self.text.lower() in words

    def is_sign(self, *signs: str) -> bool:
        return self.kind == "sign" and self.text in signs

    @property
    def value(self) -> str:
        """What it says: without quotes, and without the backslashes that took letters as they are."""
        if self.kind == "text":
            return unescape(self.text[1:-1])
        return ".".join(name for name, _ in split_name(self.text))


def split(text: str, *, most: int = MAX_LENGTH) -> list[FilterToken]:
    """Return the tokens of a filter, the last of which is its end.

    Raises InvalidInput for a text of more than `most` characters, and for a quote that is not closed.
    """
    if len(text) > most:
        raise mistake(text, most, f"A filter has at most {most:,} characters, but this {len(text):,}")
    unstorable = _UNSTORABLE.search(text)
    if unstorable is not None:
        raise mistake(text, unstorable.start(), "A filter holds whole characters, and no NUL")
    tokens = split_open(text)
    open_ones = [token for token in tokens if token.kind == "open"]
    if open_ones:
        quote = open_ones[0].text[0]
        raise mistake(text, open_ones[0].start, f"The quote {quote} is not closed", f"Write another {quote} behind it.")
    return tokens


def split_open(text: str) -> list[FilterToken]:
    """Return the tokens of a filter that somebody is still writing: a quote may be open."""
    tokens = []
    for match in _TOKENS.finditer(text):
        kind = match.lastgroup or "end"
        tokens.append(FilterToken(kind, match.group(kind), match.start(kind), match.end(kind)))  # type: ignore[arg-type]
        if kind == "end":
            break
    return tokens


def split_name(word: str) -> list[tuple[str, bool]]:
    """Return what stands between the dots of a name, each with whether it stood in quotes.

    >>> split_name("metrics.`loss.a`.last")
    [('metrics', False), ('loss.a', True), ('last', False)]
    """
    pieces = [("", False)]
    for match in _PIECES.finditer(word):
        name, is_quoted = pieces[-1]
        if match["dot"]:
            pieces.append(("", False))
        elif match["quoted"]:
            pieces[-1] = (name + unescape(match["quoted"][1:-1]), True)
        else:
            pieces[-1] = (name + match["plain"], is_quoted)
    return pieces


def unescape(text: str) -> str:
    """Return a text without the backslashes that took the letter behind them as it is."""
    return _ESCAPED.sub(r"\1", text)
