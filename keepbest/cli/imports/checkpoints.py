"""`import checkpoints`: takes over the files that Keras' ModelCheckpoint wrote."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from keepbest.cli.common.options import AsJson
from keepbest.cli.imports.import_runs import Again, DryRun, IntoProject, Watched, Way, make_wishes, take_runs
from keepbest.foreign.checkpoints.reader import read_checkpoints

Source = Annotated[Path, typer.Argument(metavar="DIR", help="Folder of ModelCheckpoint's files.")]
Pattern = Annotated[str, typer.Option(help="How ModelCheckpoint named them: '{epoch:02d}-{val_loss:.2f}.keras'.")]
Log = Annotated[Path | None, typer.Option(help="A file of CSVLogger with the values of every epoch.")]


def import_checkpoints(
    folder: Source,
    pattern: Pattern,
    log: Log = None,
    project: IntoProject = None,
    monitor: Watched = None,
    mode: Way = None,
    again: Again = False,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> int:
    """Take over checkpoints as one run: each a file with its validation, the best and the last marked."""
    wishes = make_wishes(project, monitor, mode, again)
    return take_runs([read_checkpoints(folder, pattern, log)], wishes, is_dry=dry_run, as_json=as_json)
