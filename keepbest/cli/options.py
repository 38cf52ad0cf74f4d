"""Options and arguments that several verbs share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

RunId = Annotated[str, typer.Argument(metavar="RUN", help="Id of a run, or its first letters (4 or more).")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
Folder = Annotated[Path | None, typer.Option("--dir", help="Folder for database, checkpoints and tokens.")]
Port = Annotated[int | None, typer.Option(envvar="KEEPBEST_PORT", min=1, max=65535, help="Port to listen on.")]
DataFolder = Annotated[
    Path | None, typer.Option("--data-dir", envvar="KEEPBEST_DATA", help="Folder with data sets as IDX files.")
]
ProjectName = Annotated[str | None, typer.Option("--project", "-p", help="Only this project.")]
