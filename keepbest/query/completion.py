"""What may come next in a filter that somebody is writing: names, comparisons, values."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Literal

from keepbest.query.columns import COLUMNS
from keepbest.query.known import Known
from keepbest.query.lexer import FilterToken, split_open
from keepbest.query.moments import UNITS
from keepbest.query.names import PARTS, read_name
from keepbest.query.parser import SIGNS
from keepbest.query.terms import Field
from keepbest.query.values import kind_of
from keepbest.query.writing import write_name, write_value, write_word

#: Suggestions of one answer.
MOST = 50
_MOMENTS = ("1 hour ago", "today", "yesterday", "7 days ago", "30 days ago")
_SPANS = ("10 min", "1 h", "1 day")
_JOINTS = ("and", "or")

Place = Literal["name", "operator", "value", "joint"]


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A word that would stand well in place of `text[start:end]` of the filter; `help` says what it is."""

    text: str
    start: int
    end: int
    help: str = ""


def complete(text: str, cursor: int, known: Known) -> list[Suggestion]:
    """Return what may stand at the cursor, the likeliest first.

    Args:
        text: The filter so far; what is wrong with it makes no difference.
        cursor: Where the next letter goes; the word that it touches is completed.
        known: The names that there are.
    """
    tokens = [token for token in split_open(text[:cursor]) if token.kind != "end"]
    is_touched = bool(tokens) and tokens[-1].end == cursor and tokens[-1].kind != "sign"
    begun = tokens.pop() if is_touched else None
    place, field, is_list = _find_place(tokens)
    if field is not None and field.kind == "unknown" and field.name in known.metrics:
        field = replace(field, kind="metric")
    start, typed = _find_begun(begun, place) if begun else (cursor, "")
    options = _fitting(typed, _list_options(place, field, known, typed, is_list=is_list))
    return [Suggestion(option, start, cursor, help) for option, help in options][:MOST]


def _find_begun(token: FilterToken, place: Place) -> tuple[int, str]:
    """Return where the begun word starts, and its letters without a quote.

    A dash in front of a name means `not`, and stays; a dash in front of a value belongs to it.
    """
    dash = int(place != "value" and token.kind == "word" and token.text.startswith("-"))
    return token.start + dash, token.text[dash:].lstrip("\"'`")


def _find_place(tokens: Iterable[FilterToken]) -> tuple[Place, Field | None, bool]:
    """Return what is expected behind the tokens, of which field, and whether inside a list."""
    place: Place = "name"
    field: Field | None = None
    is_list = False
    for token in tokens:
        is_word = token.kind in ("word", "text", "open")
        match place:
            case "operator" if token.is_sign(*SIGNS) or (is_list and token.is_sign("(")):
                place = "value"
            case "operator" if token.is_word("in", "not"):
                is_list = True
            case "value" if is_word:
                place = "joint"
            case "joint" if is_list and token.is_sign(",", ")"):
                place, is_list = ("value", True) if token.text == "," else ("joint", False)
            case "joint" if _goes_on(token, field):
                pass
            case _ if token.is_word(*_JOINTS, "not") or token.is_sign("("):
                place, is_list = "name", False
            case _ if is_word:
                place, is_list = "operator", False
                field = read_name(token.text.lstrip("-"), is_quoted=token.kind != "word")
            case _:
                place = "joint"
    return place, field, is_list


def _goes_on(token: FilterToken, field: Field | None) -> bool:
    """Whether a word still belongs to the moment or the span before it: `2 days ago`."""
    return field is not None and kind_of(field) in ("time", "duration") and token.is_word("ago", *UNITS)


Options = Iterator[tuple[str, str]]


def _list_options(place: Place, field: Field | None, known: Known, typed: str, *, is_list: bool) -> Options:
    if place == "value" and field is not None:
        yield from _list_values(field, known)
        return
    if place == "operator" and field is not None and not is_list:
        yield from _list_operators(field)
    if place in ("operator", "joint"):
        yield from ((word, "") for word in _JOINTS)
    if place == "name" or typed:
        yield from _list_names(known, typed)


def _list_names(known: Known, typed: str) -> Options:
    head, dot, _ = typed.rpartition(".")
    if dot and (head in known.metrics or head.partition(".")[0] in ("metrics", "metric")):
        yield from ((f"{head}.{part}", f"{part} of {head}") for part in PARTS)
    is_prefixed = dot != ""
    for key in known.metrics:
        bare = not is_prefixed and key not in COLUMNS
        yield write_word(key, is_bare=True) if bare else write_name(Field("metric", key)), "metric"
    for key in known.parameters:
        bare = not is_prefixed and key not in COLUMNS and key not in known.metrics
        yield write_word(key, is_bare=True) if bare else write_name(Field("parameter", key)), "parameter"
    yield from ((name, column.help) for name, column in COLUMNS.items())
    yield "tag", "a word on the run"
    for key in dict.fromkeys(tag.partition("=")[0] for tag in known.tags if "=" in tag):
        yield write_name(Field("tag", key)), "what stands behind it in a tag"
    yield "not", ""


def _list_operators(field: Field) -> Options:
    kind = kind_of(field)
    order = ("<", ">", "<=", ">=") if kind not in ("text", "choice", "id") else ()
    text = ("~", "!~") if kind in ("text", "choice", "id", None) else ()
    lists = ("in (", "not in (") if kind != "time" else ()
    names = {"=": "is", "!=": "is not", "~": "holds the text", "!~": "holds the text not"}
    yield from ((sign, names.get(sign, "")) for sign in ("=", "!=", *order, *text, *lists))


def _list_values(field: Field, known: Known) -> Options:
    yield from ((value, "") for value in _texts_of(field, known))
    if field.kind == "column":
        column = COLUMNS[field.name]
        lists: dict[str, Iterable[str]] = {"time": _MOMENTS, "duration": _SPANS, "choice": column.choices}
        yield from ((word, "") for word in lists.get(column.kind, ()))
    if field.kind != "metric":
        yield "none", "there is no value"


def _texts_of(field: Field, known: Known) -> Iterator[str]:
    """Yield the values that runs have in a field, as a filter writes them."""
    if field.kind == "tag" and field.name:
        begin = f"{field.name}="
        yield from (write_value(tag.removeprefix(begin)) for tag in known.tags if tag.startswith(begin))
    elif field.kind == "tag":
        yield from map(write_value, known.tags)
    elif field.kind == "column":
        names = {"recipe": known.recipes, "worker": known.workers, "user": known.users}
        yield from map(write_value, names.get(field.name, ()))
    elif field.kind in ("parameter", "unknown"):
        yield from (write_value(value) for value in known.parameters.get(field.name, ()))


def _fitting(typed: str, options: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return the options that begin with what is typed, then those that hold it, each once."""
    low, once = typed.lower(), dict[str, str]()
    for option, help in options:
        once.setdefault(option, help)
    plain = {option: option.strip('"`').lower() for option in once}
    begins = [(option, help) for option, help in once.items() if plain[option].startswith(low)]
    holds = [
        (option, help)
        for option, help in once.items()
        if low in plain[option][1:] and not plain[option].startswith(low)
    ]
    return begins + holds
