"""Folders of artifacts: there are only paths, and a folder is what several of them begin with."""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import Connection, select

from tracker.models import ArtifactTable
from tracker.store.artifacts import under
from tracker.store.runs import RunRow


class FolderEntry(NamedTuple):
    """What lies in a folder: a file with its size, or a folder, which has none."""

    name: str
    size_bytes: int | None


def list_folder(conn: Connection, run: RunRow, folder: str) -> list[FolderEntry]:
    """Return what lies directly in a folder of a run, by name; "" is the outermost. A file has nothing in it.

    Example:
        >>> list_folder(conn, run, "plots")  # doctest: +SKIP
        [FolderEntry(name='roc.png', size_bytes=18216)]
    """
    start = f"{folder}/" if folder else ""
    query = select(ArtifactTable.path, ArtifactTable.size_bytes).where(under(run.pk, start), ArtifactTable.is_current)
    entries: dict[str, int | None] = {}
    for path, size in conn.execute(query):
        name, below, _ = path.removeprefix(start).partition("/")
        entries[name] = None if below else size
    return [FolderEntry(name, size) for name, size in sorted(entries.items())]


def list_below(conn: Connection, run: RunRow, path: str) -> list[str]:
    """Return the paths of the file at a path, or of all files below it; "" is everything that the run has."""
    query = select(ArtifactTable.path).where(ArtifactTable.is_current)
    below = conn.execute(query.where(under(run.pk, f"{path}/" if path else ""))).scalars().all()
    itself = conn.execute(query.where(under(run.pk, path), ArtifactTable.path == path)).scalars().all()
    return sorted({*below, *itself})
