"""Takes archives in: all of an archive is checked, then each run comes by itself, its files first.

Whatever is killed in between, the same archive brings the rest: a run is there when its transaction is, and bytes that
are in the store already are not written again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from keepbest.archive import layout
from keepbest.archive.layout import ArchivedRun
from keepbest.archive.reader import Archive
from keepbest.contract.imported import ArchiveImport, ArchiveOutcome
from keepbest.errors import Conflict, InvalidInput
from tracker import db
from tracker.db import Connection, Engine
from tracker.services.archive_files import ArchiveFiles
from tracker.settings import TrackerSettings
from tracker.store import bundles
from tracker.store.access.users import Principal
from tracker.store.archives import arrivals, project_arrivals
from tracker.store.archives.arrivals import Arrival
from tracker.store.archives.rows import Values, read_rows
from tracker.store.archives.tables import ArchivedTable
from tracker.store.runs import RunRow


class _Undone(Exception):
    """Ends a rehearsal: nothing of its transaction stays."""


@dataclass(frozen=True)
class ArchiveIntake:
    """Takes one archive into a tracker."""

    settings: TrackerSettings
    engine: Engine
    archive: Archive
    project: str
    by: Principal
    now: datetime

    def bring(self) -> ArchiveImport:
        """Bring every run that is not here yet.

        Raises InvalidInput, before anything is written, for what no keepbest wrote; Conflict for an id that another
        run has.
        """
        files = ArchiveFiles(self.archive, Path(self.settings.store), self.settings.dir, self.settings.artifact_bytes)
        files.check_objects()
        self._check_bundles()
        with db.read(self.engine) as conn:
            known = {run.id: arrivals.find_known(conn, run) for run in self.archive.header.runs}
        coming = [run for run in self.archive.header.runs if known[run.id] is None]
        for run in coming:
            self._rehearse(self._prepare(files, run))
        notes = self._bring_project()
        brought = {run.id: self._bring(files, run) for run in coming}
        outcomes = [brought.get(run.id) or self._show_known(run, str(known[run.id])) for run in self._runs()]
        return ArchiveImport(runs=outcomes, notes=[*notes, *self._list_notes()])

    def _runs(self) -> list[ArchivedRun]:
        return self.archive.header.runs

    def _check_bundles(self) -> None:
        for name in self.archive.places:
            digest = (layout.parse_name(name) or {}).get("bundle")
            if digest is not None and bundles.check(self.archive.read(name)).digest != digest:
                raise InvalidInput(f"The bytes of bundle {digest[:12]}… are others.", field="archive")

    def _prepare(self, files: ArchiveFiles, run: ArchivedRun) -> Arrival:
        """Return a run with the files that the archive has of it, none of which is written yet."""

        def read(table: ArchivedTable) -> Iterator[Values]:
            for part in self.archive.parts(f"runs/{run.id}", table.name):
                yield from read_rows(table, part)

        arrival = Arrival(run, self.archive.digest, self.project, self.by.user, self.now, read)
        return replace(arrival, checkpoints=files.list_checkpoints(run.id), artifacts=files.list_artifacts(arrival))

    def _rehearse(self, arrival: Arrival) -> None:
        """Write a run in a transaction that is undone, so that what cannot be kept is refused before it begins."""
        try:
            with suppress(_Undone), db.write(self.engine) as conn:
                self._write(conn, arrival)
                raise _Undone
        except Conflict as error:
            if error.field is not None:
                raise
            message = f"The archive says something of run {arrival.run.id} twice."
            raise InvalidInput(
                message, field="archive", hint="The archive was changed: export the run again."
            ) from None

    def _bring(self, files: ArchiveFiles, run: ArchivedRun) -> ArchiveOutcome:
        arrival = files.write(self._prepare(files, run))
        with db.write(self.engine) as conn:
            known = arrivals.find_known(conn, run)
            if known is not None:
                return self._show_known(run, known)
            row = self._write(conn, arrival)
        return ArchiveOutcome(
            id=run.id,
            name=row.name,
            project=row.project,
            number=row.number,
            outcome="imported",
            checkpoints=len(arrival.checkpoints),
            artifacts=len(arrival.artifacts),
        )

    def _write(self, conn: Connection, arrival: Arrival) -> RunRow:
        run = arrivals.bring_run(conn, arrival)
        name = layout.name_bundle(str(run.spec["source"].get("bundle")))
        if name in self.archive.places:
            bundles.add_bundle(conn, bundles.check(self.archive.read(name)), user=self.by.user, now=self.now)
        return run

    def _bring_project(self) -> Iterable[str]:
        """Make a project of the archive's description, rules and views; one that is here already stays as it is."""
        if not self.archive.header.with_project:
            return []

        def read(table: ArchivedTable) -> Iterator[Values]:
            for part in self.archive.parts("project", table.name):
                yield from read_rows(table, part)

        with db.write(self.engine) as conn:
            if project_arrivals.bring_project(conn, self.project, read, user=self.by.user, now=self.now):
                return []
        return [f"Project {self.project} is here already: its description, rules and views stay as they are."]

    def _list_notes(self) -> Iterator[str]:
        for run in self._runs():
            if run.without:
                yield f"Run {run.id}: the files of {run.without} checkpoints lay in another store, and did not come."
        for left in self.archive.header.left_out:
            yield f"Run {left.id} is not in the archive. {left.why}"

    def _show_known(self, run: ArchivedRun, project: str) -> ArchiveOutcome:
        return ArchiveOutcome(id=run.id, name=run.name, project=project, number=run.number, outcome="known")
