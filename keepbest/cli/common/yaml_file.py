"""Reads options of a command line from a YAML file: `--file run.yaml`. Options on the line itself take precedence."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from keepbest.contract.policies import PolicySpec
from keepbest.contract.validate import request
from keepbest.errors import InvalidInput, NotFound
from keepbest.hints import nearest
from keepbest.stopping import render

#: The largest file of options.
MAX_BYTES = 2**20
#: The context's key for the words of a command, which follow `--` on the line.
COMMAND = "keepbest.command"
#: The parameter that the line has without a name, and the file under the name `source`.
_SOURCE = "what"
_ALIASES = {"source": _SOURCE}


def take_options(context: typer.Context, path: Path | None) -> Path | None:
    """Make the file's values the defaults of the other options. Raises NotFound, or InvalidInput with the place."""
    if path is None or context.resilient_parsing:
        return path
    fields = read_yaml(path)
    if "command" in fields:
        context.meta[COMMAND] = context.meta.get(COMMAND) or _read_command(fields.pop("command"))
    known = {
        parameter.name: parameter
        for parameter in context.command.params
        if parameter.name not in (None, "file", "help")
    }
    context.default_map = {}
    for key, value in fields.items():
        name = _ALIASES.get(str(key), str(key).replace("-", "_"))
        if name not in known:
            words = ["source", "command", *(text for text in known if text != _SOURCE)]
            message = f"The file {path} names an unknown option {key!r}."
            raise InvalidInput(message, field=str(key), hint=nearest(str(key), words))
        context.default_map[name] = _write(name, value, is_list=bool(getattr(known[name], "multiple", False)))
    return path


File = Annotated[
    Path | None,
    typer.Option(is_eager=True, callback=take_options, help="YAML with these options; the line counts over it."),
]


def read_yaml(path: Path) -> dict[Any, Any]:
    """Read a file of names and values, without running anything in it."""
    import yaml  # imported late: few command lines name a file

    try:
        with path.open("rb") as file:
            text = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise NotFound(f"{path} cannot be read: {(error.strerror or '').lower()}.", field="file") from error
    if len(text) > MAX_BYTES:
        raise InvalidInput(f"{path} has more than {MAX_BYTES:,} bytes.", field="file")
    try:
        fields = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise InvalidInput(f"{path} is not YAML: {' '.join(str(error).split())}", field="file") from None
    if not isinstance(fields, dict):
        raise InvalidInput(f"{path} holds no options.", field="file", hint="For example: source: hvass-cnn")
    return fields


def _read_command(value: Any) -> list[str]:
    if not isinstance(value, list) or not value:
        raise InvalidInput("command is a list of words.", field="command", hint="command: [python, train.py]")
    return [_word(item) for item in value]


def _write(name: str, value: Any, *, is_list: bool) -> Any:
    """Return a value as the command line would have it."""
    if value is None:
        return None
    if is_list:
        pairs = [f"{key}={_word(item)}" for key, item in value.items()] if isinstance(value, Mapping) else value
        listed = pairs if isinstance(pairs, list) else [pairs]
        return [_policy(item) if name == "shadow" else _word(item) for item in listed]
    if name == "stop":
        return _policy(value)
    if name == "keep" and isinstance(value, Mapping):
        return ",".join(f"{key}={_word(item)}" for key, item in value.items())
    if isinstance(value, list | Mapping):
        raise InvalidInput(f"{name} is one value.", field=name)
    return value if isinstance(value, bool) else _word(value)


def _policy(value: Any) -> str:
    return render(request(PolicySpec, **value).model_dump()) if isinstance(value, Mapping) else _word(value)


def _word(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, default=str)
