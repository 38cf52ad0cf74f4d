"""Makes records of a script's values. A value that the contract refuses is left out with a warning; nothing raises."""

from __future__ import annotations

import logging
import operator
from typing import Any, TypeVar

from pydantic import ValidationError

from keepbest.contract.base import Shape

S = TypeVar("S", bound=Shape)
_log = logging.getLogger("keepbest")
_named: set[tuple[str, str]] = set()


def fit(shape: type[S], **fields: Any) -> S | None:
    """Return the record with every field that fits its shape; None if a required field does not fit."""
    try:
        return shape(**fields)
    except ValidationError as error:
        wrong = {str(fault["loc"][0]) if fault["loc"] else "": fault["msg"] for fault in error.errors()}
    needed = [name for name in wrong if name not in fields or shape.model_fields[name].is_required()]
    _name(shape, wrong, fields, bool(needed))
    return None if needed else fit(shape, **{name: value for name, value in fields.items() if name not in wrong})


def to_count(value: Any) -> Any:
    """Return a whole number, Python's or NumPy's, as an int; any other value unchanged, for `fit` to refuse."""
    try:
        return operator.index(value)
    except TypeError:
        return int(value) if isinstance(value, float) and value.is_integer() else value


def _name(shape: type[Shape], wrong: dict[str, str], fields: dict[str, Any], is_lost: bool) -> None:
    for field, problem in wrong.items():
        key = (shape.__name__, field)
        if key not in _named:
            _named.add(key)
            what = f"a {shape.__name__} is left out" if is_lost else f"{field} of a {shape.__name__} is left out"
            _log.warning("keepbest: %s: %s (got %.100r). This warning comes once.", what, problem, fields.get(field))
