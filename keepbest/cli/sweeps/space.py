"""Reads the space of a sweep as people write it: `rate=log(1e-4, 1e-1)`, `units=int(8, 64)`, `drop=0.1,0.3`."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

from keepbest.cli.runs.signature import Kind, Signature, typed
from keepbest.contract.sweeps import Choices, Dimension, IntRange, LogUniform, Uniform
from keepbest.contract.validate import request
from keepbest.errors import InvalidInput
from keepbest.figures import figure
from keepbest.hints import nearest

_CALL = re.compile(r"([A-Za-z_]\w*)\s*\((.*)\)", re.DOTALL)
_OPEN = re.compile(r"(uniform|log|int|choices)\s*\(")
_WORDS = ("uniform", "log", "int", "choices")
_LIKE = "Like rate=log(1e-4, 1e-1), rate=uniform(0, 1), units=int(8, 64), or values: drop=0.1,0.3,0.5"


def parse_space(pairs: Sequence[str], signature: Signature, owner: str) -> dict[str, Dimension]:
    """Read each `NAME=…`; raises InvalidInput that names the parameter and the mistake."""
    known = {parameter.name: parameter.type for parameter in signature.parameters}
    space: dict[str, Dimension] = {}
    for pair in pairs:
        name, sign, text = (part.strip() for part in pair.partition("="))
        if not sign or not name or not text:
            raise InvalidInput(f"{pair!r} does not say what to try.", field="space", hint=_LIKE)
        if name not in known and not signature.takes_any:
            raise InvalidInput(f"{owner} has no parameter {name!r}.", field=name, hint=nearest(name, known))
        if name in space:
            raise InvalidInput(f"{name} occurs twice.", field=name)
        space[name] = parse_dimension(name, text, known.get(name, "json"))
    return space


def parse_dimension(name: str, text: str, kind: Kind = "json") -> Dimension:
    """Read the text after `NAME=`; single values have the parameter's type."""
    call = _CALL.fullmatch(text)
    word, inside = call.groups() if call else ("choices", text)
    if call is None and _OPEN.match(text):
        raise InvalidInput(f"{name}: {text!r} does not end with ).", field=name, hint=_LIKE)
    if word not in _WORDS:
        raise InvalidInput(f"{name}: there is no {word}(…).", field=name, hint=_LIKE)
    if word == "choices":
        return _make(name, text, Choices, values=_read_values(name, inside, kind))
    low, high, *more = [*_split(inside), "", ""]
    ends = {"low": low, "high": high}
    options = _read_options([part for part in more if part], name, text) if word == "int" else {}
    if not low or not high or (word != "int" and any(more)):
        raise InvalidInput(f"{name}: {word} takes two numbers, but got {text!r}.", field=name, hint=_LIKE)
    shape = {"uniform": Uniform, "log": LogUniform, "int": IntRange}[word]
    number: Kind = "int" if word == "int" else "float"
    return _make(name, text, shape, **{end: typed(name, number, value) for end, value in ends.items()}, **options)


def show_dimension(dimension: Dimension) -> str:
    """Return a dimension as people write it."""
    if isinstance(dimension, Choices):
        return ", ".join(map(json.dumps, dimension.values))
    if isinstance(dimension, IntRange):
        more = ", log" if dimension.log else f", step={dimension.step}" if dimension.step != 1 else ""
        return f"int({dimension.low}, {dimension.high}{more})"
    word = "log" if isinstance(dimension, LogUniform) else "uniform"
    return f"{word}({figure(dimension.low)}, {figure(dimension.high)})"


def list_ends(space: Mapping[str, Dimension]) -> Iterator[tuple[str, Any]]:
    """Yield each choice, or both ends of a range, with the name of its parameter."""
    for name, dimension in space.items():
        ends = dimension.values if isinstance(dimension, Choices) else [dimension.low, dimension.high]
        yield from ((name, value) for value in ends)


def _read_values(name: str, text: str, kind: Kind) -> list[Any]:
    if not text.startswith("["):
        return [typed(name, kind, part) for part in _split(text)]
    for written in (text, f"[{text}]"):
        with suppress(ValueError):
            return list(json.loads(written))
    raise InvalidInput(f"{name}: {text!r} is not JSON.", field=name, hint="Like [[64, 64], [32]].")


def _read_options(parts: list[str], name: str, text: str) -> dict[str, Any]:
    options: dict[str, Any] = {}
    for part in parts:
        if part == "log":
            options["log"] = True
        else:
            options["step"] = typed(name, "int", part.removeprefix("step").lstrip(" =") or text)
    return options


def _split(text: str) -> list[str]:
    """Split at the commas outside brackets and quotes."""
    parts = re.findall(r"""(?:"(?:\\.|[^"\\])*"|\[[^\]]*\]|\{[^}]*\}|[^,])+""", text)
    return [part.strip() for part in parts]


def _make(name: str, text: str, shape: type[Any], **fields: Any) -> Dimension:
    try:
        made: Dimension = request(shape, **fields)
    except InvalidInput as error:
        message = error.message.removeprefix(": ").removeprefix("value error, ")
        raise InvalidInput(f"{name}={text}: {message.rstrip('.')}.", field=name, hint=_LIKE) from None
    return made
