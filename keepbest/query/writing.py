"""Writes names and values as a filter reads them, in quotes where they need them."""

from __future__ import annotations

import json

from keepbest.query.lexer import split_open
from keepbest.query.names import PARTS, PREFIXES, read_name
from keepbest.query.terms import Field

_RESERVED = ("and", "or", "not", "in", "true", "false", "none", "null")


def write_name(field: Field) -> str:
    """Return the name that is read as this field.

    >>> write_name(Field("metric", "my loss", "last"))
    'metrics.`my loss`.last'
    """
    if field.kind == "column":
        return field.name
    if field.kind == "tag":
        return f"tags.{write_word(field.name)}" if field.name else "tag"
    prefix = {"metric": "metrics.", "parameter": "params."}.get(field.kind, "")
    part = f".{field.part}" if field.part != "best" else ""
    return f"{prefix}{write_word(field.name, is_bare=not prefix)}{part}"


def write_word(name: str, *, is_bare: bool = False) -> str:
    """Return one name, in backquotes where its letters would be read as something else.

    Args:
        name: Of a metric, a parameter or a tag.
        is_bare: No prefix stands in front of it: what is a column, or begins with a prefix, is quoted.
    """
    tokens = split_open(name)
    is_word = len(tokens) == 2 and tokens[0].kind == "word" and tokens[0].text == name
    is_plain = is_word and name.lower() not in _RESERVED and not set(name) & set("`\"'\\") and name[0] not in "-."
    has_part = name.endswith(".") or name.rpartition(".")[2] in PARTS
    has_prefix = is_bare and (read_name(name).kind != "unknown" or name.partition(".")[0] in PREFIXES)
    return name if is_plain and not has_part and not has_prefix else _quote(name, "`")


def write_value(value: object) -> str:
    """Return a value; a text stands without quotes where it is read as the same text.

    >>> write_value("two words"), write_value(True), write_value("true")
    ('"two words"', 'true', '"true"')
    """
    if value is None or isinstance(value, bool | int | float):
        return "none" if value is None else json.dumps(value)
    text = value if isinstance(value, str) else json.dumps(value)
    tokens = split_open(text)
    is_word = len(tokens) == 2 and tokens[0].kind == "word" and tokens[0].value == text
    looks_else = text.lower() in _RESERVED or text[:1] in "+-.0123456789"
    return text if is_word and not looks_else else _quote(text, '"')


def _quote(text: str, quote: str) -> str:
    return quote + text.replace("\\", "\\\\").replace(quote, f"\\{quote}") + quote
