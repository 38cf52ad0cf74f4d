"""Reads what an archive holds of a run or of a project, row by row."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, select

from keepbest.contract.checkpoints import CheckpointState
from keepbest.status import RunState
from tracker.models import ArtifactTable, BundleTable, CheckpointTable, EventTable, ProjectTable, RunTable, ViewTable
from tracker.store.archives.rows import write_row
from tracker.store.archives.tables import EVENTS, ArchivedTable
from tracker.store.runs import RunRow
from tracker.store.search.visibility import visible

_DURABLE = CheckpointState.DURABLE.value
#: Rows fetched at once: some of them are large.
_FETCH = 100
_ENDED = [state.value for state in RunState if state.is_final]


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A checkpoint or an artifact of a run whose bytes the store should have."""

    id: str
    digest: str
    size_bytes: int


def list_runs(conn: Connection, project_pk: int) -> list[tuple[int, str, bool]]:
    """Return internal number, id, and whether it has ended, of each run of a project, oldest first."""
    query = select(RunTable.pk, RunTable.id, RunTable.state).where(RunTable.project_pk == project_pk, visible(None))
    return [(row.pk, row.id, row.state in _ENDED) for row in conn.execute(query.order_by(RunTable.pk))]


def has_ended(run: RunRow) -> bool:
    """Whether a run may go into an archive: nothing more comes, and no tracker would train it again."""
    return run.state in _ENDED


def read_of_run(conn: Connection, table: ArchivedTable, run: RunRow) -> Iterator[bytes]:
    """Yield the rows of a table that belong to a run, each as a line."""
    return _read(conn, table, _of_run(table, run))


def read_of_project(conn: Connection, table: ArchivedTable, project_pk: int, user: str) -> Iterator[bytes]:
    """Yield the rows of a table that belong to a project; of the private views, those of the user."""
    key = "pk" if table.model is ProjectTable else "project_pk"
    condition = table.table.c[key] == project_pk
    if table.model is ViewTable:
        condition &= ~ViewTable.is_private | (ViewTable.created_by == user)
    return _read(conn, table, condition)


def list_checkpoints(conn: Connection, run_pk: int) -> list[StoredFile]:
    """Return the durable checkpoints of a run."""
    table = CheckpointTable
    query = select(table.id, table.digest, table.size_bytes).where(table.run_pk == run_pk, table.state == _DURABLE)
    return [StoredFile(*row) for row in conn.execute(query.order_by(table.pk))]


def list_artifacts(conn: Connection, run_pk: int) -> list[StoredFile]:
    """Return the durable artifacts of a run, older versions too."""
    table = ArtifactTable
    query = select(table.id, table.digest, table.size_bytes).where(table.run_pk == run_pk, table.state == _DURABLE)
    return [StoredFile(*row) for row in conn.execute(query.order_by(table.pk))]


def find_bundle(conn: Connection, run: RunRow) -> tuple[str, bytes] | None:
    """Return digest and bytes of a run's code, or None where it has none here."""
    digest = run.spec["source"].get("bundle")
    query = select(BundleTable.data).where(BundleTable.digest == digest)
    data = None if digest is None else conn.execute(query).scalar_one_or_none()
    return None if data is None else (digest, bytes(data))


def _of_run(table: ArchivedTable, run: RunRow) -> Any:
    if table.model is RunTable:
        return RunTable.pk == run.pk
    if table.name == EVENTS:
        return EventTable.run == run.id
    return table.table.c.run_pk == run.pk


def _read(conn: Connection, table: ArchivedTable, condition: Any) -> Iterator[bytes]:
    order = [table.table.c[name] for name in table.order]
    query = select(*table.columns).where(condition).order_by(*order).execution_options(yield_per=_FETCH)
    for row in conn.execute(query):
        yield write_row(table, row._asdict())
