"""`export` with its verbs: `export RUN|PROJECT` is `export run RUN|PROJECT`."""

from __future__ import annotations

from typing import Any

import typer
from typer.core import TyperGroup

from keepbest.cli.exports.export import export
from keepbest.cli.exports.tensorboard import export_tensorboard

_RUN = "run"


class RunsFirst(TyperGroup):
    """A group with a default verb."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        has_verb = bool(args) and (args[0] in self.commands or args[0] == "--help")
        return super().parse_args(ctx, args if has_verb or not args else [_RUN, *args])


app = typer.Typer(cls=RunsFirst, add_completion=False, no_args_is_help=True, help="Write runs to files.")
app.command(_RUN)(export)
app.command("tensorboard")(export_tensorboard)
