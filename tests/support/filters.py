"""Filters for tests: a random tree, its text, and what it means, as a function over dicts."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from hypothesis import strategies as st

from keepbest.query.columns import COLUMNS
from keepbest.query.names import PARTS
from keepbest.query.terms import (
    And,
    Condition,
    Field,
    Not,
    Operand,
    Operator,
    Or,
    Term,
    Words,
    all_of,
    any_of,
)
from keepbest.query.values import ORDER, TEXT, kind_of, to_number
from keepbest.query.writing import write_name, write_value

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)


@dataclass(frozen=True)
class FilteredRun:
    """A run as filters see it: columns, the parts of each metric, parameters, tags."""

    columns: Mapping[str, Any] = field(default_factory=dict)
    metrics: Mapping[str, Mapping[str, float | None]] = field(default_factory=dict)
    parameters: Mapping[str, Any] = field(default_factory=dict)
    tags: Sequence[str] = ()


def fits(term: Term, run: FilteredRun) -> bool:
    """Whether a run is one that the filter means: the words of `keepbest.query.terms`, as code."""
    match term:
        case And(parts):
            return all(fits(part, run) for part in parts)
        case Or(parts):
            return any(fits(part, run) for part in parts)
        case Not(part):
            return not fits(part, run)
        case Words(text):
            return any(text.lower() in place.lower() for place in _list_texts(run))
        case Condition():
            return _holds(term, run)


def render(term: Term) -> str:
    """Write a tree as a filter; parsed, it is the same tree again."""
    match term:
        case And(parts):
            return " and ".join(_wrap(part) for part in parts)
        case Or(parts):
            return " or ".join(_wrap(part) for part in parts)
        case Not(part):
            return f"not {_wrap(part)}"
        case Words(text):
            return f"({write_value(text)})"
        case Condition(field, ("in" | "not in") as operator, values):
            return f"{write_name(field)} {operator} ({', '.join(_value(value) for value in values)})"
        case Condition(field, operator, (value,)):
            return f"{write_name(field)} {operator} {_value(value)}"
    raise AssertionError(term)


def _holds(condition: Condition, run: FilteredRun) -> bool:
    positive: dict[Operator, Operator] = {"!=": "=", "!~": "~", "not in": "in"}
    if condition.operator in positive:
        return not _holds(Condition(condition.field, positive[condition.operator], condition.values), run)
    values = _list_values(condition.field, run)
    if None in condition.values:
        others = tuple(value for value in condition.values if value is not None)
        return not values or (bool(others) and _holds(Condition(condition.field, condition.operator, others), run))
    return any(_compare(condition, value, operand) for value in values for operand in condition.values)


def _compare(condition: Condition, value: Any, operand: Operand) -> bool:
    if condition.operator == "~":
        return str(operand).lower() in _text(value).lower()
    if condition.operator in ("=", "in"):
        return _same(condition.field, value, operand)
    number = _number(value)
    if isinstance(operand, datetime):
        number = value
    if number is None:
        return False
    assert operand is not None
    return {"<": number < operand, "<=": number <= operand, ">": number > operand, ">=": number >= operand}[  # type: ignore[operator]
        condition.operator
    ]


def _same(field: Field, value: Any, operand: Operand) -> bool:
    if kind_of(field) == "id":
        return bool(value) and str(value).startswith(str(operand).lower())
    if isinstance(operand, float) and not isinstance(operand, bool):
        return _number(value) == operand
    return _text(value) == _text(operand)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _number(value: Any) -> float | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, str):
        return to_number(value.strip())
    return float(value) if isinstance(value, int | float) else None


def _list_values(field: Field, run: FilteredRun) -> list[Any]:
    """Return the values that a run has in a field; none where it has none."""
    if field.kind == "tag":
        return [
            tag.removeprefix(f"{field.name}=") for tag in run.tags if not field.name or tag.startswith(f"{field.name}=")
        ]
    value: Any = None
    if field.kind == "metric":
        value = run.metrics.get(field.name, {}).get(field.part)
    elif field.kind == "parameter":
        value = run.parameters.get(field.name)
    elif field.kind == "column":
        value = run.columns.get(field.name)
    return [] if value is None or (isinstance(value, float) and math.isnan(value)) else [value]


def _list_texts(run: FilteredRun) -> list[str]:
    columns = [str(run.columns[name]) for name in ("name", "id", "notes", "recipe", "worker") if run.columns.get(name)]
    return [*columns, *run.tags, *(f"{key}={_text(value)}" for key, value in run.parameters.items())]


def _wrap(part: Term) -> str:
    return f"({render(part)})" if isinstance(part, And | Or) else render(part)


def _value(value: Operand) -> str:
    return value.isoformat() if isinstance(value, datetime) else write_value(value)


# Random trees

_letters = st.characters(codec="utf-8", exclude_characters="\0")
texts = st.text(_letters, min_size=1, max_size=8)
_numbers = st.floats(allow_nan=False, allow_infinity=False)
_moments = st.integers(-600_000_000, 29_000_000_000).map(lambda seconds: datetime.fromtimestamp(seconds, UTC))


def fields(names: st.SearchStrategy[str] = texts) -> st.SearchStrategy[Field]:
    """Fields of every kind, with names drawn from these."""
    return st.one_of(
        st.sampled_from(sorted(COLUMNS)).map(lambda name: Field("column", name)),
        st.builds(Field, st.just("metric"), names, st.sampled_from(list(PARTS))),
        st.builds(Field, st.just("parameter"), names),
        st.builds(Field, st.just("tag"), names | st.just("")),
    )


@st.composite
def conditions(draw: st.DrawFn, names: st.SearchStrategy[str] = texts, words: st.SearchStrategy[str] = texts) -> Term:
    """A condition that means something: its operator and values fit its field."""
    field = draw(fields(names))
    kind = kind_of(field)
    operators: list[Operator] = ["=", "!=", "in", "not in", *ORDER, *TEXT]  # type: ignore[list-item]
    if kind in ("text", "choice", "id"):
        operators = [operator for operator in operators if operator not in ORDER]
    elif kind == "time":
        operators = list(ORDER)  # type: ignore[arg-type]
    elif kind in ("number", "duration"):
        operators = [operator for operator in operators if operator not in TEXT]
    operator = draw(st.sampled_from(operators))
    values = _values_for(field, operator, words)
    most = 3 if operator in ("in", "not in") else 1
    return Condition(field, operator, tuple(draw(st.lists(values, min_size=1, max_size=most))))


def _values_for(field: Field, operator: Operator, words: st.SearchStrategy[str]) -> st.SearchStrategy[Any]:
    kind = kind_of(field)
    if operator in TEXT:
        return words
    values: dict[str | None, st.SearchStrategy[Any]] = {
        "number": _numbers,
        "duration": _numbers,
        "time": _moments,
        "choice": st.sampled_from(COLUMNS[field.name].choices or ("",)) if field.kind == "column" else words,
        None: _numbers if operator in ORDER else _numbers | words | st.booleans(),
    }
    chosen = values.get(kind, words)
    return chosen if operator in ORDER else chosen | st.none()


def trees(names: st.SearchStrategy[str] = texts, words: st.SearchStrategy[str] = texts) -> st.SearchStrategy[Term]:
    """Trees of conditions and words, as a parser makes them: no `and` lies directly in an `and`."""
    leaves = conditions(names, words) | st.builds(Words, words)

    def join(parts: st.SearchStrategy[Term]) -> st.SearchStrategy[Term]:
        several = st.lists(parts, min_size=2, max_size=3)
        return st.one_of(several.map(all_of), several.map(any_of), st.builds(Not, parts))

    return st.recursive(leaves, join, max_leaves=8)
