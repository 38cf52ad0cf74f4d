"""Archives of runs, fetched from the tracker into a file that is there whole, checked, or not at all."""

from __future__ import annotations

from pathlib import Path

from keepbest.archive import reader
from keepbest.archive.layout import ArchiveHeader
from keepbest.cli.exports.progress import byte_bar
from keepbest.cli.exports.subject import ExportSubject
from keepbest.cli.exports.tables import check_free, whole_file
from keepbest.client.client import Client
from keepbest.errors import InvalidInput


def write(client: Client, subject: ExportSubject, to: Path, *, files: bool, force: bool) -> ArchiveHeader:
    """Write the archive of a run or a project to a file; return what it holds.

    Raises InvalidInput where the file is there already and nobody said `force`, or for a folder.
    """
    if to.is_dir():
        raise InvalidInput(f"{to} is a folder.", field="to", hint="Name a file, such as run.keepbest.")
    check_free(to, force)
    with whole_file(to) as sink:
        with byte_bar("exporting") as tick:
            if subject.run is None:
                client.archives.fetch_project(subject.project, sink, files=files, progress=tick)
            else:
                client.archives.fetch_run(subject.run, sink, files=files, progress=tick)
        sink.flush()
        with Path(sink.name).open("rb") as written:
            return reader.check(written).header
