"""Reads the parameters of a build function for the tracker and its forms, and checks values against them."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable, Mapping
from typing import Any

from keepbest.contract.runs import Parameter
from keepbest.errors import InvalidInput

_KINDS: dict[Any, str] = {int: "int", float: "float", bool: "bool", str: "str"}


def read_parameters(build: Callable[..., Any], *, leave_out: frozenset[str] = frozenset()) -> list[Parameter]:
    """Return the parameters of `build` in order; the type of one without a plain annotation is "json"."""
    hints = typing.get_type_hints(build)
    return [
        _parameter(parameter, hints.get(parameter.name))
        for parameter in inspect.signature(build).parameters.values()
        if parameter.name not in leave_out and parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
    ]


def check_arguments(build: Callable[..., Any], arguments: Mapping[str, Any]) -> None:
    """Raise InvalidInput, which names the parameters of `build`, if it cannot be called with these arguments."""
    signature = inspect.signature(build)
    try:
        signature.bind(**arguments)
    except TypeError as error:
        name = getattr(build, "__name__", "the build function")
        raise InvalidInput(
            f"{name}() cannot be called with these parameters: {error}.",
            field="parameters",
            hint=f"Its signature is {name}{signature}.",
        ) from None


def _parameter(parameter: inspect.Parameter, hint: Any) -> Parameter:
    required = parameter.default is parameter.empty
    kind: Any = _KINDS.get(hint, "json")
    return Parameter(name=parameter.name, type=kind, default=None if required else parameter.default, required=required)
