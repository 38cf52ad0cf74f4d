"""Lets a command of the user's own follow `--`, and says so if somebody forgot the dashes or a `--set`."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from difflib import get_close_matches
from typing import Any

import typer
from typer.core import TyperCommand

from keepbest.cli.common.yaml_file import COMMAND
from keepbest.cli.runs.sources import find_program
from keepbest.errors import InvalidInput

_SETTING = re.compile(r"[A-Za-z_]\w*=.*", re.DOTALL)


class AfterDashes(TyperCommand):
    """A command line whose own options end at the first `--`. The words behind it belong to the user's command."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        at = args.index("--") if "--" in args else len(args)
        own = args[:at]
        has_dashes = at < len(args)
        ctx.meta[COMMAND] = args[at + 1 :] if has_dashes else None
        try:
            return super().parse_args(ctx, list(own))
        except typer.BadParameter:
            raise
        except typer.TyperException as error:
            message = error.format_message().rstrip(".")
            if not has_dashes and (place := _find_command(own)) is not None:
                hint = shlex.join(_with_dashes(ctx, own, place))
                raise InvalidInput(
                    f"{message}; a command of your own stands after --.", field="source", hint=hint
                ) from None
            if (pair := _find_setting(own, error)) is not None:
                hint = f"A parameter of what is trained is given by --set {pair}"
                raise InvalidInput(f"{error.message.rstrip('.')}.", field="--set", hint=hint) from None
            raise

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        return [*super().collect_usage_pieces(ctx), "[-- COMMAND …]"]


def _find_command(words: Sequence[str]) -> int | None:
    """Return the place of the first program or script, which stands among the options only if `--` is missing."""
    return next((place for place, word in enumerate(words) if find_program(word)), None)


def _find_setting(words: Sequence[str], error: typer.TyperException) -> str | None:
    """Return the parameter that a word without its `--set` is meant to set: `units=3`, or `--units 3`."""
    option = str(getattr(error, "option_name", None) or "")
    if option.startswith("--") and not get_close_matches(option, getattr(error, "possibilities", []), cutoff=0.75):
        name, sign, value = next(word for word in words if word.startswith(option)).removeprefix("--").partition("=")
        after = words[words.index(option) + 1 :][:1] if option in words else []
        return f"{name.replace('-', '_')}={shlex.quote(value) if sign else ''.join(after) or '…'}"
    return next((word for word in words if not option and _SETTING.fullmatch(word)), None)


def _with_dashes(ctx: Any, words: list[str], at: int) -> list[str]:
    """Return the line with the missing `--`, and with an interpreter before a script."""
    script = ["python"] if words[at].endswith(".py") else []
    return [*ctx.command_path.split(), *words[:at], "--", *script, *words[at:]]
