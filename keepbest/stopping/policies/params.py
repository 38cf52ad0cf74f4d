"""Parameters of policies: declared once in the dataclass, checked, described in docs and forms from there."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field, fields
from typing import Any, Literal

from keepbest.errors import InvalidInput

Kind = Literal["int", "float", "bool", "str"]
#: Whole numbers stay exact in every JSON reader; not <= also refuses NaN.
_LARGEST = {"int": 2**53, "float": sys.float_info.max}
_WORDS = {"int": "a whole number", "float": "a number", "bool": "true or false", "str": "some text"}
MAX_TEXT = 500


@dataclass(frozen=True, slots=True)
class Param:
    """Type, limits and meaning of one parameter; `below` is an exclusive limit."""

    kind: Kind
    help: str
    optional: bool = False
    at_least: float | None = None
    above: float | None = None
    below: float | None = None
    #: It came after runs were recorded without it: where nobody says it, it is not written down either.
    is_later: bool = False


def whole(help: str, *, at_least: int = 1, **default: Any) -> Any:
    """Declare a whole number."""
    return _declare(Param("int", help, _optional(default), at_least=at_least), default)


def number(
    help: str,
    *,
    at_least: float | None = None,
    above: float | None = None,
    below: float | None = None,
    is_later: bool = False,
    **default: Any,
) -> Any:
    """Declare a finite number."""
    return _declare(Param("float", help, _optional(default), at_least, above, below, is_later), default)


def switch(help: str, **default: Any) -> Any:
    """Declare a true-or-false parameter."""
    return _declare(Param("bool", help, _optional(default)), default)


def text(help: str, **default: Any) -> Any:
    """Declare some text, at most MAX_TEXT characters."""
    return _declare(Param("str", help, _optional(default)), default)


def check_mode(mode: object) -> None:
    """Refuse any mode but max and min."""
    if mode not in ("max", "min"):
        raise InvalidInput(
            f"The mode is 'max' or 'min', but got {mode!r}.",
            field="mode",
            hint="Say which way the monitored metric gets better.",
        )


def check_params(policy: Any) -> None:
    """Check every declared parameter of a policy, and turn whole floats and ints into the declared type."""
    for declared in fields(policy):
        param = declared.metadata.get("param")
        if param is not None:
            value = check_param(declared.name, param, getattr(policy, declared.name))
            object.__setattr__(policy, declared.name, value)


def check_param(name: str, param: Param, value: object) -> Any:
    """Return `value` as the declared type, or raise InvalidInput that names the parameter."""
    if value is None and param.optional:
        return None
    typed = _typed(param.kind, value)
    if typed is None:
        raise InvalidInput(f"{name} must be {_WORDS[param.kind]}, but got {value!r}.", field=name)
    limit = _broken_limit(param, typed)
    if limit is not None:
        raise InvalidInput(f"{name} must be {limit}, but got {value!r}.", field=name)
    return typed


def _declare(param: Param, default: dict[str, Any]) -> Any:
    return field(metadata={"param": param}, **default)


def _optional(default: dict[str, Any]) -> bool:
    return "default" in default and default["default"] is None


def _typed(kind: Kind, value: object) -> Any:
    if kind == "bool":
        return value if isinstance(value, bool) else None
    if kind == "str":
        return value if isinstance(value, str) and 0 < len(value) <= MAX_TEXT else None
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= _LARGEST[kind]:
        return None
    if kind == "float":
        return float(value)
    return int(value) if value == int(value) else None


def _broken_limit(param: Param, value: Any) -> str | None:
    if param.at_least is not None and value < param.at_least:
        return f"at least {param.at_least:g}"
    if param.above is not None and value <= param.above:
        return f"above {param.above:g}"
    if param.below is not None and value >= param.below:
        return f"below {param.below:g}"
    return None
