"""Dotted names as fields: `state`, `params.learning_rate`, `metrics.val_loss.last`, `tags.team`, a bare `val_loss`."""

from __future__ import annotations

from keepbest.query.columns import COLUMNS
from keepbest.query.lexer import split, split_name
from keepbest.query.terms import Field, Kind, Part

#: What can be asked of a metric, in words.
PARTS: dict[Part, str] = {
    "best": "the best value: the run's own best of what it watches, else the lowest or highest by the metric's name; "
    "the last where neither is known",
    "last": "the last value",
    "min": "the lowest value",
    "max": "the highest value",
    "step": "the step of the best value",
    "last_step": "the step of the last value",
}
#: What stands in front of the first dot, and what it says of the rest.
PREFIXES: dict[str, Kind] = {
    "metrics": "metric",
    "metric": "metric",
    "params": "parameter",
    "param": "parameter",
    "tags": "tag",
    "tag": "tag",
}
#: Characters of a list of names.
MAX_LIST = 8000
#: Other names of columns: what the API calls them, and the words of the pages.
ALIASES = {
    "stop_reason": "reason",
    "status": "state",
    "note": "notes",
    "parent": "forked_from",
    "created_at": "created",
    "started_at": "started",
    "ended_at": "ended",
    "updated_at": "updated",
    "created_by": "user",
    "best_value": "best",
    "last_value": "last",
}


def read_name(word: str, place: int = 0, *, is_quoted: bool = False) -> Field:
    """Return the field that a name means; its kind is `unknown` for a bare name that is no column.

    Args:
        word: As it stands in the filter, backquotes included.
        place: Where it stands there.
        is_quoted: The whole name stood in quotes: it is no column, and its dots are letters.

    >>> read_name("metrics.val_loss.last")
    Field(kind='metric', name='val_loss', part='last', place=0)
    """
    pieces = [(word, True)] if is_quoted else split_name(word)
    (head, head_is_quoted), *rest = pieces
    if not rest:
        return _read_bare(head, place, head_is_quoted)
    kind = "unknown" if head_is_quoted else PREFIXES.get(head, "unknown")
    if kind in ("parameter", "tag"):
        return Field(kind, _join(rest), place=place)
    names, part = _split_part(rest if kind == "metric" else pieces)
    return Field(kind, _join(names), part, place)


def split_names(text: str) -> list[str]:
    """Return the names between the commas of a list; a comma in quotes is a letter. Raises as `lexer.split` does.

    >>> split_names("val_loss, params.`a,b`")
    ['val_loss', 'params.`a,b`']
    """
    return [token.text for token in split(text, most=MAX_LIST) if token.kind in ("word", "text")]


def _read_bare(name: str, place: int, is_quoted: bool) -> Field:
    column = ALIASES.get(name, name)
    if is_quoted:
        return Field("unknown", name, place=place)
    if column in COLUMNS:
        return Field("column", column, place=place)
    return Field("tag", "", place=place) if PREFIXES.get(name) == "tag" else Field("unknown", name, place=place)


def _split_part(pieces: list[tuple[str, bool]]) -> tuple[list[tuple[str, bool]], Part]:
    """Take the part of a metric from the end of its name, where one stands there without quotes."""
    last, is_quoted = pieces[-1]
    part = next((part for part in PARTS if part == last), None)
    return (pieces, "best") if part is None or is_quoted or len(pieces) == 1 else (pieces[:-1], part)


def _join(pieces: list[tuple[str, bool]]) -> str:
    return ".".join(name for name, _ in pieces)
