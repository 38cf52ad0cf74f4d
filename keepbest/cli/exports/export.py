"""`export`: a run, or the runs of a project, as tables of points and runs."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from keepbest.cli.common.errors import Exit
from keepbest.cli.common.formatting import clean, counted
from keepbest.cli.common.options import AsJson
from keepbest.cli.common.output import print_json, say
from keepbest.cli.exports import tables
from keepbest.cli.exports.subject import find_subject
from keepbest.client.client import Client

Subject = Annotated[str, typer.Argument(metavar="RUN|PROJECT", help="Id of a run, or the name of a project.")]
To = Annotated[Path, typer.Option("--to", metavar="FILE|FOLDER", help="Where it goes.")]
Force = Annotated[bool, typer.Option("--force", help="Overwrite what is there.")]


class ExportForm(StrEnum):
    """What an export is written as."""

    CSV = "csv"


As = Annotated[ExportForm, typer.Option("--as", help="Every point and every run as tables.")]


def export(subject: Subject, to: To, form: As = ExportForm.CSV, force: Force = False, as_json: AsJson = False) -> int:
    """Write a run, or all runs of a project, to a file.

    As csv, a folder gets points.csv and runs.csv; a file that ends in .csv gets the points alone.
    """
    with Client() as client:
        chosen = find_subject(client, subject)
        written = tables.write(client, chosen, to, force=force)
    if as_json:
        print_json({"written": [str(path) for path in written.files], "runs": written.runs, "points": written.points})
    else:
        what = f"{counted(written.points, 'point')} of {counted(written.runs, 'run')}"
        say(f"{what} written to {clean(str(to))}.")
    return Exit.OK
