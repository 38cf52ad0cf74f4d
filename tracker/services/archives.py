"""Makes archives of runs: their rows are copied to a file first, so that nothing is sent within a transaction."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import IO

from keepbest.archive import layout
from keepbest.archive.layout import ArchivedRun, ArchiveHeader, LeftOutRun
from keepbest.archive.writer import Member
from keepbest.checkpoint.files.artifacts import CONTENT
from keepbest.checkpoint.files.folder import Folder
from keepbest.checkpoint.manifest import MAX_MANIFEST_BYTES, Manifest, decode
from keepbest.errors import CheckpointError, Conflict
from keepbest.settings import VERSION
from tracker import db
from tracker.db import Connection, Engine
from tracker.settings import TrackerSettings
from tracker.store import projects, runs
from tracker.store.access.users import Principal
from tracker.store.archives import reading
from tracker.store.archives.tables import OF_PROJECT, OF_RUN
from tracker.store.runs import RunRow

_PIECE = 2**20
_NOT_ENDED = "It has not ended."


@dataclass
class ArchiveMaker:
    """Gathers the members of one archive; `spool` gets the rows."""

    settings: TrackerSettings
    engine: Engine
    spool: IO[bytes]
    with_files: bool = True
    _members: list[Member] = field(default_factory=list)
    _runs: list[ArchivedRun] = field(default_factory=list)
    _left_out: list[LeftOutRun] = field(default_factory=list)
    _names: set[str] = field(default_factory=set)

    def make_of_run(self, reference: str, now: datetime) -> Sequence[Member]:
        """Return the members of the archive of one run. Raises NotFound, and Conflict for one that has not ended."""
        with db.read(self.engine) as conn:
            run = runs.get_run(conn, reference)
            if not reading.has_ended(run):
                hint = "Wait for its end, or stop it: an archive holds what does not change any more."
                raise Conflict(f"Run {run.id} is {run.state}.", field="run", hint=hint)
            self._add_run(conn, run)
        return self._finish(run.project, now, with_project=False)

    def make_of_project(self, name: str, principal: Principal, now: datetime) -> Sequence[Member]:
        """Return the members of the archive of a project and its runs that have ended, one transaction for each."""
        with db.read(self.engine) as conn:
            pk = projects.get_pk(conn, name)
            listed = reading.list_runs(conn, pk)
            for table in OF_PROJECT:
                lines = reading.read_of_project(conn, table, pk, principal.user)
                self._add_parts("project", table.name, lines)
        for run_pk, id, has_ended in listed:
            if not has_ended:
                self._left_out.append(LeftOutRun(id=id, why=_NOT_ENDED))
                continue
            with db.read(self.engine) as conn:
                self._add_run(conn, runs.get_by_pk(conn, run_pk))
        return self._finish(name, now, with_project=True)

    def _finish(self, project: str, now: datetime, *, with_project: bool) -> Sequence[Member]:
        header = ArchiveHeader(
            keepbest=VERSION,
            schema_revision=db.REVISION,
            made_at=now,
            project=project,
            with_project=with_project,
            with_files=self.with_files,
            runs=self._runs,
            left_out=self._left_out,
        )
        self.spool.flush()
        return [_of_bytes(layout.HEADER, header.model_dump_json().encode()), *self._members]

    def _add_run(self, conn: Connection, run: RunRow) -> None:
        for table in OF_RUN:
            self._add_parts(f"runs/{run.id}", table.name, reading.read_of_run(conn, table, run))
        bundle = reading.find_bundle(conn, run)
        if bundle is not None and (name := layout.name_bundle(bundle[0])) not in self._names:
            self._names.add(name)
            self._members.append(self._write(name, [bundle[1]]))
        without = self._add_files(conn, run) if self.with_files else 0
        author = (run.imported_from or {}).get("author", run.created_by)
        about = {"id": run.id, "name": run.name, "number": run.number, "created_at": run.created_at}
        self._runs.append(ArchivedRun(author=author, without=without, **about))

    def _add_files(self, conn: Connection, run: RunRow) -> int:
        """Add manifests and objects of checkpoints, and artifacts; return how many checkpoints are not here."""
        folder, missing = Folder(Path(self.settings.store)), 0
        for checkpoint in reading.list_checkpoints(conn, run.pk):
            path = folder.manifest(run.id, checkpoint.id)
            manifest = _read_manifest(path, checkpoint.id)
            files = {} if manifest is None else _list_objects(folder, manifest)
            if manifest is None or not all(file.is_file() for file in files.values()):
                missing += 1
                continue
            self._add(layout.name_manifest(run.id, checkpoint.id), path)
            for name, file in files.items():
                self._add(name, file)
        for artifact in reading.list_artifacts(conn, run.pk):
            file = folder.content(artifact.digest, CONTENT)
            if file.is_file():
                self._add(layout.name_object(artifact.digest, CONTENT), file)
        return missing

    def _add(self, name: str, path: Path) -> None:
        """Add a file of the store, unless a member of its name is there: several runs have the same objects."""
        if name not in self._names:
            self._names.add(name)
            self._members.append(_of_file(name, path))

    def _add_parts(self, folder: str, table: str, lines: Iterable[bytes]) -> None:
        for number, part in enumerate(_gather(lines)):
            self._members.append(self._write(layout.name_part(folder, table, number), part))

    def _write(self, name: str, pieces: Iterable[bytes]) -> Member:
        """Write pieces to the spool, and return a member that reads them."""
        start, size = self.spool.tell(), sum(self.spool.write(piece) for piece in pieces)
        return Member(name, size, lambda: _read_range(self.spool, start, size))


def _gather(lines: Iterable[bytes]) -> Iterator[list[bytes]]:
    """Yield the lines in lists of about PART_BYTES."""
    part, size = list[bytes](), 0
    for line in lines:
        part.append(line)
        size += len(line)
        if size >= layout.PART_BYTES:
            yield part
            part, size = [], 0
    if part:
        yield part


def _read_manifest(path: Path, checkpoint: str) -> Manifest | None:
    """Return the manifest in a file, or None where it is not there, or not whole."""
    try:
        with path.open("rb") as file:
            return decode(file.read(MAX_MANIFEST_BYTES), checkpoint)[0]
    except (OSError, CheckpointError):
        return None


def _list_objects(folder: Folder, manifest: Manifest) -> dict[str, Path]:
    """Return the files that a checkpoint needs, each by its name in the archive."""
    suffixes = dict.fromkeys(sorted(manifest.objects), ".safetensors")
    suffixes |= {manifest.network: ".json"} if manifest.network is not None else {}
    return {layout.name_object(name, suffix): folder.content(name, suffix) for name, suffix in suffixes.items()}


def _of_bytes(name: str, content: bytes) -> Member:
    return Member(name, len(content), lambda: [content])


def _of_file(name: str, path: Path) -> Member:
    return Member(name, path.stat().st_size, lambda: _read_file(path))


def _read_file(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            yield piece


def _read_range(file: IO[bytes], start: int, size: int) -> Iterator[bytes]:
    file.seek(start)
    while size and (piece := file.read(min(_PIECE, size))):
        size -= len(piece)
        yield piece
