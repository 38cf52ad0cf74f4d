"""A filter's tree as one condition on `runs`, true or false for each run, never null.

Every value of the filter is a bound parameter. What lies in other tables is asked with `EXISTS`, by their primary keys;
`OFFSET 0` keeps Postgres from joining the whole table instead.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Boolean, ColumnElement, Select, and_, exists, false, func, literal, not_, or_, select, true

from keepbest.contract.base import ID_ALPHABET
from keepbest.query.terms import And, Condition, Field, Not, Operand, Or, Term, Words
from keepbest.query.values import kind_of
from tracker.models import (
    MetricSummaryTable,
    RunDatasetTable,
    RunKeyedTagTable,
    RunParameterTable,
    RunTable,
    RunTagTable,
)
from tracker.store.search.entries import MAX_TEXT
from tracker.store.search.fields import PARTS, find_column

Truth = ColumnElement[bool]

PATTERNS = ("like", "ilike")
#: The beginning of keys under which MLflow's clients note where a run came from: a person's tag is none of them.
NOTED = "mlflow."
#: What SQLite's GLOB has in place of LIKE's signs, and what it must not take for its own.
_GLOB = {"%": "*", "_": "?", "*": "[*]", "?": "[?]", "[": "[[]"}
#: What is exactly `not` of which.
_POSITIVE = {"!=": "=", "!~": "~", "not in": "in"}


def compile_term(term: Term, *, is_sqlite: bool) -> Truth:
    """Return the condition that a run must meet."""
    match term:
        case And(parts):
            return and_(true(), *(compile_term(part, is_sqlite=is_sqlite) for part in parts))
        case Or(parts):
            return or_(false(), *(compile_term(part, is_sqlite=is_sqlite) for part in parts))
        case Not(part):
            return not_(compile_term(part, is_sqlite=is_sqlite))
        case Words(text):
            return _holds_words(text, is_sqlite)
        case Condition():
            return _compile_condition(term, is_sqlite)


def _compile_condition(condition: Condition, is_sqlite: bool) -> Truth:
    if condition.operator in _POSITIVE:
        positive = Condition(condition.field, _POSITIVE[condition.operator], condition.values)  # type: ignore[arg-type]
        return not_(_compile_condition(positive, is_sqlite))
    values = [value for value in condition.values if value is not None]
    holds = _holds(condition.field, condition.operator, values, is_sqlite) if values else false()
    if len(values) == len(condition.values):
        return holds
    return or_(_lacks(condition.field, is_sqlite), holds)


def _holds(field: Field, operator: str, values: Sequence[Operand], is_sqlite: bool) -> Truth:
    if field.kind == "metric":
        return _exists(_of_metric(field).where(compare_number(PARTS[field.part], operator, values)))
    if field.kind == "parameter":
        return _exists(_of_parameter(field).where(compare_parameter(operator, values, is_sqlite)))
    if field.kind == "tag":
        return or_(*(_exists(tags) for tags in _find_tags(field.name, operator, values, is_sqlite)))
    if field.kind == "dataset":
        column = getattr(RunDatasetTable, field.name)
        return _exists(_of_run(RunDatasetTable).where(compare_text(column, operator, values, is_sqlite=is_sqlite)))
    return _never_null(compare_column(field, operator, values, is_sqlite=is_sqlite))


def _lacks(field: Field, is_sqlite: bool) -> Truth:
    """Whether a run has no value in a field; NaN is none."""
    if field.kind == "metric":
        return not_(_exists(_of_metric(field).where(PARTS[field.part] <= math.inf)))
    if field.kind == "parameter":
        return not_(_exists(_of_parameter(field)))
    if field.kind == "tag":
        named = [_begins(RunTagTable.tag, f"{field.name}=")] if field.name else []
        has_key = RunKeyedTagTable.key == field.name if field.name else not_(_begins(RunKeyedTagTable.key, NOTED))
        places = (_of_run(RunTagTable).where(*named), _of_run(RunKeyedTagTable).where(has_key))
        return not_(or_(*map(_exists, places)))
    if field.kind == "dataset":
        return not_(_exists(_of_run(RunDatasetTable)))
    column = find_column(field.name, is_sqlite=is_sqlite)
    return not_(_never_null(_has_value(field.name, column)))


def _has_value(name: str, column: Any) -> Truth:
    if name in ("best", "last"):
        has_value: Truth = column <= math.inf
    else:
        has_value = column != "" if name == "notes" else column.is_not(None)
    return has_value


def compare_number(column: Any, operator: str, values: Sequence[Operand]) -> Truth:
    """Compare a column of numbers; both databases put NaN above every number."""
    if operator in ("=", "in"):
        return or_(*(column == value for value in values))
    (value,) = values
    if operator in ("<", "<="):
        below: Truth = column < value if operator == "<" else column <= value
        return below
    return and_(column > value if operator == ">" else column >= value, column <= math.inf)


def compare_parameter(operator: str, values: Sequence[Operand], is_sqlite: bool) -> Truth:
    """Compare the row of a parameter: a number with its number, all else with its text."""
    number, text = RunParameterTable.number, RunParameterTable.text
    if operator in ("~", *PATTERNS):
        return compare_text(text, operator, values, is_sqlite=is_sqlite)
    if operator not in ("=", "in"):
        return compare_number(number, operator, values) if is_number(values[0]) else false()
    return or_(*(number == value if is_number(value) else text == write_operand(value) for value in values))


def is_number(value: Operand) -> bool:
    """Whether a value of a filter is a number; `true` is none."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def write_operand(value: Operand) -> str:
    """Return a text or truth value as parameters' texts are kept."""
    return (value if isinstance(value, str) else json.dumps(value))[:MAX_TEXT]


def begins_id(column: Any, values: Sequence[Operand]) -> Truth:
    """Whether the column of an id, or of a commit, begins with one of these texts, in any case."""
    beginnings = [str(value).lower() for value in values]
    ranges = [
        (text, text.ljust(column.type.length, ID_ALPHABET[-1]))
        for text in beginnings
        if len(text) <= column.type.length and not set(text) - set(ID_ALPHABET)
    ]
    return or_(false(), *(column.between(*ends) for ends in ranges))


def _find_tags(name: str, operator: str, values: Sequence[Operand], is_sqlite: bool) -> Iterator[Select[Any]]:
    """Yield the run's tags that fit: the words on it, of which `key=value` has a key, and those that have one."""
    words, keyed = _of_run(RunTagTable), _of_run(RunKeyedTagTable)
    if operator in ("=", "in"):
        yield words.where(RunTagTable.tag.in_([f"{name}={value}" if name else str(value) for value in values]))
    elif name:
        beginning = f"{name}="
        rest = func.substr(RunTagTable.tag, len(beginning) + 1)
        fits = compare_text(rest, operator, values, is_sqlite=is_sqlite)
        yield words.where(and_(_begins(RunTagTable.tag, beginning), fits))
    else:
        yield words.where(compare_text(RunTagTable.tag, operator, values, is_sqlite=is_sqlite))
    if name:
        fits = compare_text(RunKeyedTagTable.text, operator, values, is_sqlite=is_sqlite)
        yield keyed.where(RunKeyedTagTable.key == name, fits)
    else:
        whole = RunKeyedTagTable.key + literal("=") + RunKeyedTagTable.text
        yield keyed.where(compare_text(whole, operator, values, is_sqlite=is_sqlite))


def compare_text(column: Any, operator: str, values: Sequence[Operand], *, is_sqlite: bool) -> Truth:
    """Compare a column of texts: whole, with a text in it, or with a pattern; only its first characters are kept."""
    text = str(values[0])
    if operator == "~":
        return _contains(column, text, is_sqlite)
    if operator in PATTERNS:
        return _fits_pattern(column, text, operator == "like", is_sqlite)
    is_one_of: Truth = column.in_([str(value)[:MAX_TEXT] for value in values])
    return is_one_of


def _fits_pattern(column: Any, pattern: str, is_exact: bool, is_sqlite: bool) -> Truth:
    """Whether a column fits a pattern of LIKE; SQLite's takes upper and lower case alike, but its GLOB does not."""
    fits: Truth
    if not is_sqlite:
        fits = column.like(pattern, escape="") if is_exact else column.ilike(pattern, escape="")
    elif is_exact:
        fits = column.op("GLOB", is_comparison=True)("".join(_GLOB.get(letter, letter) for letter in pattern))
    else:
        fits = func.lower(column).like(pattern.lower())
    return fits


def compare_column(field: Field, operator: str, values: Sequence[Operand], *, is_sqlite: bool) -> Truth:
    """Compare a column of the run; null where the run has no value in it."""
    column, kind = find_column(field.name, is_sqlite=is_sqlite), kind_of(field)
    if operator in ("~", *PATTERNS):
        return compare_text(column, operator, values, is_sqlite=is_sqlite)
    if kind == "id":
        return begins_id(column, values)
    if kind in ("number", "duration"):
        return compare_number(column, operator, values)
    if kind == "time":
        return _compare_time(column, operator, values)
    among: Truth = column.in_([str(value) for value in values])
    return among


def _compare_time(column: Any, operator: str, values: Sequence[Operand]) -> Truth:
    (moment,) = values
    if not isinstance(moment, datetime):
        return false()
    compared: dict[str, Truth] = {
        "<": column < moment,
        "<=": column <= moment,
        ">": column > moment,
        ">=": column >= moment,
    }
    return compared[operator]


def _holds_words(text: str, is_sqlite: bool) -> Truth:
    columns = (RunTable.name, RunTable.id, RunTable.notes, RunTable.recipe, RunTable.worker_name)
    written = RunParameterTable.key + literal("=") + RunParameterTable.text
    return or_(
        *(_never_null(_contains(column, text, is_sqlite)) for column in columns),
        *(_exists(tags) for tags in _find_tags("", "~", [text], is_sqlite)),
        _exists(_of_run(RunParameterTable).where(_contains(written, text, is_sqlite))),
    )


def _contains(column: Any, text: str, is_sqlite: bool) -> Truth:
    """Whether a text stands in a column; SQLite's LIKE takes upper and lower case of ASCII alike by itself."""
    if is_sqlite and text.isascii():
        holds: Truth = column.contains(text, autoescape=True)
    else:
        holds = column.icontains(text, autoescape=True)
    return holds


def _begins(column: Any, beginning: str) -> Truth:
    """Whether a column begins with a text, in the same case: LIKE would take both."""
    begins: Truth = func.substr(column, 1, len(beginning)) == beginning
    return begins


def _of_run(table: Any) -> Select[Any]:
    return select(literal(1)).where(table.run_pk == RunTable.pk).correlate(RunTable)


def _of_metric(field: Field) -> Select[Any]:
    return _of_run(MetricSummaryTable).where(MetricSummaryTable.key == field.name)


def _of_parameter(field: Field) -> Select[Any]:
    return _of_run(RunParameterTable).where(RunParameterTable.key == field.name)


def _exists(rows: Select[Any]) -> Truth:
    return exists(rows.offset(0))


def _never_null(condition: Truth) -> Truth:
    return func.coalesce(condition, false(), type_=Boolean())
