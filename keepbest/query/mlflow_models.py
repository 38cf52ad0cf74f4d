"""MLflow's filters of models: parsed as those of runs are, and answered in memory, because models are few.

As in MLflow, a comparison holds only where there is a value.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

from keepbest.query import mlflow_grammar
from keepbest.query.mlflow_grammar import Order
from keepbest.query.mlflow_meaning import Attribute, make_pattern
from keepbest.query.terms import And, Condition, Field, Operand, Operator, Term

#: What a value of a field is; None where there is none.
ValueOf = Callable[[Field], Any]

T = TypeVar("T")
_TEXT: tuple[Operator, ...] = ("=", "!=", "like", "ilike", "in", "not in")
_NUMBER: tuple[Operator, ...] = ("=", "!=", "<", "<=", ">", ">=")
_TIMES = ("creation_timestamp", "last_updated_timestamp")
#: Of each kind of model: the attributes that are texts, and those that are numbers.
REGISTERED: tuple[tuple[str, ...], tuple[str, ...]] = (("name",), _TIMES)
VERSIONS = (("name", "run_id", "source_path", "source"), ("version_number", "version", *_TIMES))
LOGGED = (("name", "model_id", "model_type", "status", "source_run_id", "experiment_id"), _TIMES)
_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq, "!=": operator.ne, "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip


def parse(text: str, names: tuple[tuple[str, ...], tuple[str, ...]]) -> Term | None:
    """Return what a filter of models means, of which `names` are the attributes; None for an empty one.

    Raises InvalidInput in MLflow's words.

    Example:
        >>> parse("name = 'clf'", REGISTERED)
        Condition(field=Field(kind='column', name='name', part='best', place=0), operator='=', values=('clf',))
    """
    texts, numbers = names
    attributes = {name: Attribute(_TEXT, _compare(name)) for name in texts}
    attributes |= {name: Attribute(_NUMBER, _compare(name)) for name in numbers}
    return mlflow_grammar.parse_with(text, attributes, ("tag", "attribute", "parameter"))


def parse_order(text: str, names: Iterable[str]) -> tuple[str, Order]:
    """Return the attribute and the direction of one `order_by` of models."""
    return mlflow_grammar.parse_attribute_order(text, {name: name for name in names})


def fits(term: Term | None, value_of: ValueOf) -> bool:
    """Return whether a model with these values meets a filter."""
    match term:
        case None:
            return True
        case And(parts):
            return all(fits(part, value_of) for part in parts)
        case Condition(field, sign, values):
            return _holds(sign, value_of(field), values)
    return False


def sort(pairs: Iterable[tuple[Mapping[str, Any], T]], orders: Iterable[tuple[str, Order]]) -> list[T]:
    """Return models, each given with its attributes, in several orders, the first one before the second."""
    rows = list(pairs)
    for name, order in reversed(list(orders)):
        rows = sorted(rows, key=lambda row: row[0][name], reverse=order == "desc")
    return [model for _, model in rows]


def _holds(sign: Operator, value: Any, wanted: tuple[Operand, ...]) -> bool:
    if wanted == (None,):
        return (value is None) == (sign == "=")
    if value is None:
        return False
    if sign in ("in", "not in"):
        return (value in wanted) == (sign == "in")
    if sign in ("like", "ilike"):
        return make_pattern(str(wanted[0]), is_exact=sign == "like").fullmatch(str(value)) is not None
    return _COMPARE[sign](value, wanted[0])


def _compare(name: str) -> Callable[[Operator, Any], Term]:
    return lambda sign, values: Condition(Field("column", name), sign, tuple(values))
