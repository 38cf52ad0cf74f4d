"""MLflow's language of filters and orders, read into the terms that keepbest's own filters are made of.

Comparisons are joined by AND: `metrics.acc > 0.9 and params."batch size" = '32' and attributes.status = 'FINISHED'`.
There is no OR, no NOT and no parenthesis but that of a list. As in MLflow, `!=` holds only for a run that has a value.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal, NoReturn

from keepbest.query.lexer import FilterToken, split, split_name
from keepbest.query.mlflow_meaning import (
    EXPERIMENT_ATTRIBUTES,
    EXPERIMENT_COLUMNS,
    RUN_ATTRIBUTES,
    RUN_ORDERS,
    Attribute,
    field_of,
    find_kind,
)
from keepbest.query.reader import Reader
from keepbest.query.terms import Condition, Field, Operand, Operator, Term, all_of
from keepbest.query.values import to_number

#: Characters of a filter: that of a list of many ids is long.
MAX_FILTER = 20_000
#: Joined comparisons and values of lists, in all.
MAX_COMPARISONS = 500
#: What any letters stand for in a pattern, so many times at most: each more makes a comparison slower.
MAX_WILDCARDS = 10

Order = Literal["asc", "desc"]

_ENTITIES = {
    **dict.fromkeys(("metric", "metrics"), "metric"),
    **dict.fromkeys(("parameter", "parameters", "param", "params"), "parameter"),
    **dict.fromkeys(("tag", "tags"), "tag"),
    **dict.fromkeys(("attribute", "attributes", "attr", "run"), "attribute"),
    **dict.fromkeys(("dataset", "datasets"), "dataset"),
}
_NAMES = ["metric", "parameter", "tag", "attribute", "dataset"]
_ALIASES = {
    **dict.fromkeys(("created", "Created"), "start_time"),
    **dict.fromkeys(("run name", "Run name", "Run Name"), "run_name"),
}
_DATASET_KEYS = ("name", "digest", "context")
_SIGNS = ("=", "!=", "<", "<=", ">", ">=")
_ONLY_AND = "Comparisons are joined by AND alone: metrics.acc > 0.9 and params.units = '64'"


def parse(text: str) -> Term | None:
    """Return what a filter of runs means; None for an empty one.

    Raises InvalidInput in MLflow's words, with the place of the mistake.

    Example:
        >>> parse("metrics.acc > 0.9")
        Condition(field=Field(kind='metric', name='acc', part='last', place=0), operator='>', values=(0.9,))
    """
    return _parse(text, RUN_ATTRIBUTES, _ENTITIES)


def parse_experiments(text: str) -> Term | None:
    """Return what a filter of experiments means, as `parse` does; its columns are those of `EXPERIMENT_COLUMNS`."""
    known = {name: kind for name, kind in _ENTITIES.items() if kind in ("tag", "attribute")}
    return _parse(text, EXPERIMENT_ATTRIBUTES, known)


def parse_order(text: str) -> tuple[Field, Order]:
    """Return the field and the direction of one `order_by` of runs, `metrics.acc DESC`; it goes up by itself."""
    name, order = _split_order(text)
    reader = Reader(text, [], _no_condition)
    kind, key = _read_name(reader, name, _ENTITIES)
    if kind == "attribute" and key not in RUN_ORDERS:
        _refuse_attribute(reader, name, key, RUN_ORDERS)
    if kind == "dataset":
        reader.fail(name.start, f"Invalid order_by entity type {kind!r}", "metrics.acc DESC")
    return (Field("column", RUN_ORDERS[key]) if kind == "attribute" else field_of(kind, key)), order


def parse_experiment_order(text: str) -> tuple[str, Order]:
    """Return the column, one of `EXPERIMENT_COLUMNS`, and the direction of one `order_by` of experiments."""
    return parse_attribute_order(text, EXPERIMENT_COLUMNS)


def parse_with(text: str, attributes: Mapping[str, Attribute], kinds: Iterable[str]) -> Term | None:
    """Return what a filter of something else means, whose names are these attributes and these kinds."""
    return _parse(text, attributes, {name: kind for name, kind in _ENTITIES.items() if kind in kinds})


def parse_attribute_order(text: str, columns: Mapping[str, str]) -> tuple[str, Order]:
    """Return the column and the direction of one `order_by` of something else, whose attributes have these columns."""
    name, order = _split_order(text)
    reader = Reader(text, [], _no_condition)
    kind, key = _read_name(reader, name, {"attribute": "attribute", "attributes": "attribute"})
    if kind != "attribute" or key not in columns:
        _refuse_attribute(reader, name, key, columns)
    return columns[key], order


# Reading


def _parse(text: str, attributes: Mapping[str, Attribute], known: Mapping[str, str]) -> Term | None:
    reader = Reader(text, split(text, most=MAX_FILTER), _no_condition)
    if len(reader.tokens) == 1:
        return None
    parts = []
    while True:
        _count(reader)
        parts.append(_read_comparison(reader, attributes, known))
        if reader.position == len(reader.tokens) - 1:
            return all_of(parts)
        if not reader.take_word("and"):
            reader.fail(reader.next.start, f"Invalid clause(s) in filter string: {reader.next.text!r}", _ONLY_AND)


def _read_comparison(reader: Reader, attributes: Mapping[str, Attribute], known: Mapping[str, str]) -> Term:
    name = reader.advance()
    if name.kind != "word" or name.is_word("and", "or", "not"):
        reader.fail(name.start, f"Invalid clause(s) in filter string: {name.text!r}", _ONLY_AND)
    kind, key = _read_name(reader, name, known)
    if kind == "attribute" and key not in attributes:
        _refuse_attribute(reader, name, key, attributes)
    if kind == "dataset" and key not in _DATASET_KEYS:
        reader.fail(name.start, f"Invalid dataset key {key!r} specified. Valid keys are {list(_DATASET_KEYS)}")
    if (is_there := _take_presence(reader)) is not None:
        if kind not in ("tag", "parameter"):
            message = f"IS NULL / IS NOT NULL is only supported for tags and params, not for {kind!r} {key!r}"
            reader.fail(name.start, message)
        return Condition(field_of(kind, key), "!=" if is_there else "=", (None,))
    place = reader.next.start
    operator = _take_operator(reader)
    attribute = attributes[key] if kind == "attribute" else find_kind(kind, key)
    if operator not in attribute.operators:
        written, allowed = reader.text[place : reader.look(-1).end], list(attribute.operators)
        reader.fail(place, f"Invalid comparator {written!r} not one of {allowed}")
    return attribute.compare(operator, _read_values(reader, operator, kind, key, "<" in attribute.operators))


def _read_name(reader: Reader, name: FilterToken, known: Mapping[str, str]) -> tuple[str, str]:
    """Return the entity and the key of a name; a bare name is an attribute."""
    pieces = split_name(name.text)
    if len(pieces) == 1:
        return "attribute", _ALIASES.get(pieces[0][0], pieces[0][0])
    entity, key = pieces[0][0], ".".join(piece for piece, _ in pieces[1:])
    if entity not in known:
        valid = [kind for kind in _NAMES if kind in known.values()]
        reader.fail(name.start, f"Invalid entity type {entity!r}. Valid values are {valid}")
    if not key:
        reader.fail(name.end - 1, "A name is missing behind the dot", "For example: metrics.accuracy")
    return known[entity], _ALIASES.get(key, key) if known[entity] == "attribute" else key


def _take_presence(reader: Reader) -> bool | None:
    """Take `IS NULL` or `IS NOT NULL`; return whether there must be a value."""
    if not reader.next.is_word("is"):
        return None
    begin = reader.advance().start
    is_there = reader.take_word("not")
    if not reader.take_word("null"):
        reader.fail(begin, "Invalid comparison clause", "tags.team IS NULL, or IS NOT NULL")
    return is_there


def _take_operator(reader: Reader) -> Operator:
    token = reader.advance()
    if token.is_sign(*_SIGNS):
        return token.text  # type: ignore[return-value]
    if token.is_word("like", "ilike", "in"):
        return token.text.lower()  # type: ignore[return-value]
    if token.is_word("not") and reader.take_word("in"):
        return "not in"
    what = "the end" if token.kind == "end" else repr(token.text)
    reader.fail(token.start, f"Invalid comparison clause. Expected comparison found {what}", "metrics.acc > 0.9")


def _read_values(reader: Reader, operator: Operator, kind: str, key: str, is_number: bool) -> list[Operand]:
    if operator not in ("in", "not in"):
        return [_read_value(reader, operator, kind, key, is_number)]
    if not reader.take_sign("("):
        reader.fail(reader.next.start, "A list in parentheses was expected behind IN", "run_id IN ('a', 'b')")
    values: list[Operand] = []
    while True:
        _count(reader)
        values.append(_read_value(reader, operator, kind, key, is_number))
        if reader.take_sign(")"):
            return values
        if not reader.take_sign(","):
            reader.fail(reader.next.start, "A comma or ) was expected in the list", "run_id IN ('a', 'b')")


def _read_value(reader: Reader, operator: Operator, kind: str, key: str, is_number: bool) -> Operand:
    token = reader.advance()
    if is_number:
        number = to_number(token.text) if token.kind == "word" else None
        if number is None:
            what = kind if kind == "metric" else f"numeric attribute: {key}"
            reader.fail(token.start, f"Expected numeric value type for {what}. Found {token.text}")
        return number
    if token.kind != "text":
        reader.fail(token.start, f"Expected a quoted string value for {kind} (e.g. 'my-value'). Got value {token.text}")
    value = token.text[1:-1]  # a backslash is a letter as any other
    if operator in ("like", "ilike") and value.count("%") > MAX_WILDCARDS:
        reader.fail(token.start, f"A pattern has at most {MAX_WILDCARDS} %, but this {value.count('%')}")
    return value


def _count(reader: Reader) -> None:
    reader.terms += 1
    if reader.terms > MAX_COMPARISONS:
        reader.fail(reader.next.start, f"A filter has at most {MAX_COMPARISONS} comparisons and values")


def _split_order(text: str) -> tuple[FilterToken, Order]:
    name, *rest = split(text)
    direction = [token.text.lower() for token in rest[:-1]]
    if name.kind != "word" or direction not in ([], ["asc"], ["desc"]):
        Reader(text, [], _no_condition).fail(0, f"Invalid order_by clause {text!r}", "metrics.acc DESC")
    return name, "desc" if direction == ["desc"] else "asc"


def _refuse_attribute(reader: Reader, name: FilterToken, key: str, known: Iterable[str]) -> NoReturn:
    reader.fail(name.start, f"Invalid attribute key {key!r} specified. Valid keys are {sorted(known)}")


def _no_condition(reader: Reader) -> Term:
    raise NotImplementedError("this grammar reads its comparisons itself")
