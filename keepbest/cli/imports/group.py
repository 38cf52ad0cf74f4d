"""`import`: the kinds of things that come from elsewhere; a file without a kind is an archive."""

from __future__ import annotations

from typing import Any

import typer
from typer.core import TyperGroup

from keepbest.cli.checkpoints.import_tf import import_tf_checkpoint
from keepbest.cli.imports.archive import import_archive
from keepbest.cli.imports.checkpoints import import_checkpoints
from keepbest.cli.imports.mlflow import import_mlflow
from keepbest.cli.imports.readers import import_csv, import_json, import_tensorboard, import_wandb

ARCHIVE = "archive"


class ArchiveByDefault(TyperGroup):
    """A group with a default kind: `import FILE` is `import archive FILE`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        has_kind = bool(args) and (args[0] in self.commands or args[0] == "--help")
        return super().parse_args(ctx, args if has_kind or not args else [ARCHIVE, *args])


app = typer.Typer(
    cls=ArchiveByDefault,
    add_completion=False,
    no_args_is_help=True,
    help="Bring runs of an archive or of another tool, and checkpoints. `import FILE` is `import archive FILE`.",
)
app.command(ARCHIVE)(import_archive)
app.command("checkpoints")(import_checkpoints)
app.command("mlflow")(import_mlflow)
app.command("tf-checkpoint")(import_tf_checkpoint)
app.command("tensorboard")(import_tensorboard)
app.command("wandb")(import_wandb)
app.command("csv")(import_csv)
app.command("json")(import_json)
