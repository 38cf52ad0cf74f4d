"""Reads the parameters of a user's build function without running it, and `--set` by their types."""

from __future__ import annotations

import ast
import json
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from shlex import quote
from typing import Any, Literal, get_args

from keepbest.cli.runs.source_lookup import find_function, list_functions
from keepbest.contract.runs import Parameter
from keepbest.errors import InvalidInput, NotFound

Kind = Literal["int", "float", "bool", "str", "json"]
_SWITCH = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}
_KINDS = {"int": "a whole number", "float": "a number", "bool": "true or false", "str": "text", "json": "JSON"}


@dataclass(frozen=True, slots=True)
class Signature:
    """The parameters of a build function. `takes_any` says that it has `**parameters`."""

    parameters: tuple[Parameter, ...]
    takes_any: bool = False


def read_signature(path: Path, function: str, root: Path | None = None) -> Signature:
    """Read the signature of `function` in a file: a def, a lambda, another name of one, or an import.

    An import leads to its file if that lies in `root`. A function that a call makes (a decorator, a partial) or that
    comes from elsewhere takes any parameters, and the worker checks them. Raises NotFound without the file or the
    function; InvalidInput with the line of a syntax error, or for a function that takes positional arguments.
    """
    result = find_function(path, function, root)
    if result is None:
        raise NotFound(f"{path} has no function {function!r}.", field="source", hint=_suggest(path))
    if result.arguments is None:
        return Signature((), takes_any=True)
    arguments = result.arguments
    if arguments.vararg is not None:
        place = f"{result.path}:{result.line}"
        raise InvalidInput(f"{place}: {function} may not take *{arguments.vararg.arg}.", field="source")
    return Signature(tuple(_parameters(arguments)), takes_any=arguments.kwarg is not None)


def parse_settings(pairs: Sequence[str], signature: Signature, owner: str) -> dict[str, Any]:
    """Turn `key=value` texts into typed parameters; raises InvalidInput that names the nearest parameter."""
    known = {parameter.name: parameter for parameter in signature.parameters}
    given: dict[str, Any] = {}
    for pair in pairs:
        name, sign, text = pair.partition("=")
        name = name.strip()
        if not sign or not name:
            raise InvalidInput(f"--set takes key=value, but got {pair!r}.", field="--set")
        if name not in known and not signature.takes_any:
            raise InvalidInput(f"{owner} has no parameter {name!r}.", field=name, hint=_nearest(name, list(known)))
        if name in given:
            raise InvalidInput(f"{name} is set twice.", field=name)
        given[name] = typed(name, known[name].type if name in known else "json", text)
    missing = [item.name for item in signature.parameters if item.required and item.name not in given]
    if missing:
        raise InvalidInput(f"{owner} needs {missing[0]}.", field=missing[0], hint=f"--set {missing[0]}=…")
    return given


def typed(name: str, kind: Kind, text: str) -> Any:
    """Return the value of a text; raises InvalidInput that names the parameter and its type."""
    try:
        if kind == "int":
            return _whole(text)
        if kind == "float":
            return float(text)
        if kind == "bool":
            return _SWITCH[text.strip().lower()]
    except (ValueError, KeyError, OverflowError):
        raise InvalidInput(f"{name} is {_KINDS[kind]}, but got {text!r}.", field=name) from None
    return text if kind == "str" else _json_or_text(text)


def _whole(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        value = float(text)  # int() refuses 1e4
        if value != int(value):
            raise
        return int(value)


def _json_or_text(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _parameters(arguments: ast.arguments) -> list[Parameter]:
    plain = [*arguments.posonlyargs, *arguments.args]
    none: list[ast.expr | None] = [None]
    defaults = none * (len(plain) - len(arguments.defaults)) + list(arguments.defaults)
    pairs = [*zip(plain, defaults, strict=True), *zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)]
    return [_parameter(argument, default) for argument, default in pairs]


def _parameter(argument: ast.arg, default: ast.expr | None) -> Parameter:
    value = _literal(default)
    return Parameter(name=argument.arg, type=_kind(argument.annotation, value), default=value, required=default is None)


def _kind(annotation: ast.expr | None, default: Any) -> Kind:
    word = ast.unparse(annotation).strip("'\"").replace(" ", "").removesuffix("|None") if annotation else ""
    if annotation is None and isinstance(default, bool | int | float | str):
        word = type(default).__name__
    return next((kind for kind in get_args(Kind) if kind == word), "json")


def _literal(node: ast.expr | None) -> Any:
    """Return a default that is plain JSON, else None: then the function itself computes it."""
    try:
        value = ast.literal_eval(node) if node is not None else None
        json.dumps(value, allow_nan=False)
    except (ValueError, TypeError, SyntaxError):
        return None
    return list(value) if isinstance(value, tuple) else value


def _nearest(name: str, known: list[str]) -> str:
    close = get_close_matches(name, known, n=1)
    if close:
        return f"Did you mean {close[0]}?"
    return f"It has: {', '.join(known)}." if known else "It has no parameters."


def _suggest(path: Path) -> str:
    """Name the functions of a file, and the command that runs it as a script."""
    script = f"to run it as it is: keepbest submit -- python {quote(str(path))}"
    names = [name for name in list_functions(path) if not name.startswith("_")]
    if not names:
        return f"Write def build(…) in it; {script}"
    return f"It has: {', '.join(f'{path}:{name}' for name in names)}; {script}"
