"""Parameters of policies: a policy declares them once as fields; checks, docs and forms read the declaration."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field, fields
from typing import Any, Literal

from keepbest.errors import InvalidInput
from keepbest.figures import figure

Kind = Literal["int", "float", "bool", "str"]
#: Every JSON reader keeps whole numbers up to 2^53 exact.
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
    #: Older records lack this parameter, so a policy's JSON form leaves it out at its default.
    is_later: bool = False


def whole(help: str, *, at_least: int = 1, **default: Any) -> Any:
    """Declare a whole number."""
    return _declare("int", help, default, at_least=at_least)


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
    return _declare("float", help, default, at_least=at_least, above=above, below=below, is_later=is_later)


def switch(help: str, **default: Any) -> Any:
    """Declare a true-or-false parameter."""
    return _declare("bool", help, default)


def text(help: str, **default: Any) -> Any:
    """Declare a text of at most MAX_TEXT characters."""
    return _declare("str", help, default)


def check_mode(mode: object) -> None:
    """Refuse any mode but max and min."""
    if mode not in ("max", "min"):
        raise InvalidInput(
            f"The mode is 'max' or 'min', but got {mode!r}.",
            field="mode",
            hint="Say which way the monitored metric gets better.",
        )


def check_params(policy: Any) -> None:
    """Check every declared parameter of a policy, and convert whole floats and ints to the declared type."""
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


def _declare(kind: Kind, help: str, default: dict[str, Any], **limits: Any) -> Any:
    is_optional = "default" in default and default["default"] is None
    return field(metadata={"param": Param(kind, help, is_optional, **limits)}, **default)


def _typed(kind: Kind, value: object) -> Any:
    if kind == "bool":
        return value if isinstance(value, bool) else None
    if kind == "str":
        return value if isinstance(value, str) and 0 < len(value) <= MAX_TEXT else None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if not abs(value) <= _LARGEST[kind]:  # `not <=` also refuses NaN, unlike `>`
        return None
    if kind == "float":
        return float(value)
    return int(value) if value == int(value) else None


def _broken_limit(param: Param, value: Any) -> str | None:
    if param.at_least is not None and value < param.at_least:
        return f"at least {figure(param.at_least)}"
    if param.above is not None and value <= param.above:
        return f"above {figure(param.above)}"
    if param.below is not None and value >= param.below:
        return f"below {figure(param.below)}"
    return None
