"""`export`: a run, or the runs of a project, as one archive, or as tables of points and runs."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from keepbest.archive.layout import ArchiveHeader
from keepbest.cli.common.errors import Exit
from keepbest.cli.common.formatting import clean, counted
from keepbest.cli.common.options import AsJson
from keepbest.cli.common.output import print_json, say, warn
from keepbest.cli.exports import archive, tables
from keepbest.cli.exports.subject import find_subject
from keepbest.cli.exports.tables import WrittenTables
from keepbest.client.client import Client
from keepbest.figures import size

Subject = Annotated[str, typer.Argument(metavar="RUN|PROJECT", help="Id of a run, or the name of a project.")]
To = Annotated[Path, typer.Option("--to", metavar="FILE|FOLDER", help="Where it goes.")]
Force = Annotated[bool, typer.Option("--force", help="Overwrite what is there.")]
WithoutFiles = Annotated[
    bool, typer.Option("--without-files", help="Leave checkpoints and artifacts out of the archive.")
]


class ExportForm(StrEnum):
    """What an export is written as."""

    ARCHIVE = "archive"
    CSV = "csv"
    PARQUET = "parquet"


As = Annotated[ExportForm, typer.Option("--as", help="One archive for another tracker, or tables.")]


def export(
    subject: Subject,
    to: To,
    form: As = ExportForm.ARCHIVE,
    without_files: WithoutFiles = False,
    force: Force = False,
    as_json: AsJson = False,
) -> int:
    """Write a run that has ended, or all such runs of a project, to a file.

    The archive holds all that is recorded, checkpoints, artifacts and code: `keepbest import FILE` takes it to another
    tracker. As csv or parquet, a folder gets tables of points and of runs, and a file that ends in .csv or .parquet
    gets the points alone.
    """
    with Client() as client:
        chosen = find_subject(client, subject)
        if form is ExportForm.ARCHIVE:
            _show_archive(archive.write(client, chosen, to, files=not without_files, force=force), to, as_json)
        else:
            _show_tables(
                tables.write(client, chosen, to, "csv" if form is ExportForm.CSV else "parquet", force=force),
                to,
                as_json,
            )
    return Exit.OK


def _show_archive(header: ArchiveHeader, to: Path, as_json: bool) -> None:
    if as_json:
        print_json(header)
        return
    for left in header.left_out:
        warn(f"Run {left.id} is left out. {left.why}")
    for run in header.runs:
        if run.without:
            warn(f"Run {run.id}: the files of {counted(run.without, 'checkpoint')} lie in another store.")
    say(f"{counted(len(header.runs), 'run')} written to {clean(str(to))} ({size(to.stat().st_size)}).")


def _show_tables(written: WrittenTables, to: Path, as_json: bool) -> None:
    if as_json:
        print_json({"written": [str(path) for path in written.files], "runs": written.runs, "points": written.points})
        return
    say(f"{counted(written.points, 'point')} of {counted(written.runs, 'run')} written to {clean(str(to))}.")
