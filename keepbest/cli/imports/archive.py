"""`import archive`: brings the runs of an archive that `keepbest export` wrote."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from keepbest.archive import reader
from keepbest.archive.reader import Archive
from keepbest.cli.common.errors import Exit
from keepbest.cli.common.formatting import counted
from keepbest.cli.common.options import AsJson, ToProject
from keepbest.cli.common.output import Table, print_json, print_table, say, warn
from keepbest.cli.exports.progress import byte_bar
from keepbest.client.client import Client
from keepbest.contract.imported import ArchiveImport
from keepbest.errors import NotFound
from keepbest.figures import size

File = Annotated[Path, typer.Argument(metavar="FILE", help="An archive that `keepbest export` wrote.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Check the archive and say what is in it; bring nothing.")]


def import_archive(file: File, project: ToProject = None, dry_run: DryRun = False, as_json: AsJson = False) -> int:
    """Bring the runs of an archive to the tracker, with their checkpoints. Those that it has already stay as they are.

    An import that was cut off goes on where it broke when the same command is given again.
    """
    try:
        source = file.open("rb")
    except OSError as error:
        raise NotFound(f"{file} cannot be read: {error.strerror}.", field="file") from None
    with source:
        total = file.stat().st_size
        with byte_bar("checking") as tick:
            done = 0

            def count(piece: int) -> None:
                nonlocal done
                done += piece
                tick(done, total)

            archive = reader.check(source, count)
        if dry_run:
            return _show_content(archive, as_json)
        with Client() as client, byte_bar("sending") as tick:
            imported = client.archives.send(archive, project=project, progress=tick)
    if as_json:
        print_json(imported)
    else:
        _show(imported)
    return Exit.OK


def _show_content(archive: Archive, as_json: bool) -> int:
    header = archive.header
    if as_json:
        print_json(header)
        return Exit.OK
    table = Table(("run", "name", ">#", "made by", "created"), empty="It holds no run.")
    for run in header.runs:
        table.add(run.id, run.name, run.number, run.author, f"{run.created_at:%Y-%m-%d %H:%M}")
    print_table(table)
    say(f"Project {header.project}, {size(archive.size)}, by keepbest {header.keepbest}. Nothing was brought.")
    return Exit.OK


def _show(imported: ArchiveImport) -> None:
    table = Table(("run", "name", "project", ">#", "what", ">checkpoints", ">files"), empty="It holds no run.")
    for run in imported.runs:
        what = "imported" if run.outcome == "imported" else "is here already"
        table.add(run.id, run.name, run.project, run.number, what, run.checkpoints, run.artifacts)
    print_table(table)
    for note in imported.notes:
        warn(note)
    new = sum(run.outcome == "imported" for run in imported.runs)
    say(f"{counted(new, 'run')} imported.")
