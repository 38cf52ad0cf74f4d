"""A build function's signature as the tracker and the forms need it, and the check of values against it."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable, Mapping
from typing import Any

from keepbest.contract.runs import Parameter
from keepbest.errors import InvalidInput

_KINDS: dict[Any, str] = {int: "int", float: "float", bool: "bool", str: "str"}


def read_parameters(build: Callable[..., Any], *, leave_out: frozenset[str] = frozenset()) -> list[Parameter]:
    """Return the parameters of `build` in order; one annotated as something else than a plain type is "json"."""
    hints = typing.get_type_hints(build)
    return [
        _parameter(parameter, hints.get(parameter.name))
        for parameter in inspect.signature(build).parameters.values()
        if parameter.name not in leave_out and parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
    ]


def check_arguments(build: Callable[..., Any], arguments: Mapping[str, Any]) -> None:
    """Refuse arguments that `build` cannot be called with, naming the parameters it has."""
    signature = inspect.signature(build)
    try:
        signature.bind(**arguments)
    except TypeError as error:
        name = getattr(build, "__name__", "the build function")
        raise InvalidInput(
            f"{name}() cannot be called with these parameters: {error}.",
            field="parameters",
            hint=f"It is {name}{signature}.",
        ) from None


def _parameter(parameter: inspect.Parameter, hint: Any) -> Parameter:
    required = parameter.default is parameter.empty
    kind: Any = _KINDS.get(hint, "json")
    return Parameter(name=parameter.name, type=kind, default=None if required else parameter.default, required=required)
