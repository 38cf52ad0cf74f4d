"""Sums of what checkpoints and artifacts take, by project and kind, and the list of deleted runs."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import Connection, and_, case, func, literal, select

from keepbest.contract import storage as contract
from keepbest.contract.checkpoints import CheckpointState
from tracker.models import ArtifactTable, CheckpointTable, ProjectTable, RunTable
from tracker.store import cursors
from tracker.store.access.users import Principal
from tracker.store.search.visibility import in_trash

_WRITTEN = CheckpointTable.written_bytes
#: Checkpoints whose files are there.
_STORED = and_(CheckpointTable.state == CheckpointState.DURABLE.value, CheckpointTable.is_gone.is_(False))
_IS_KEPT = ArtifactTable.state == CheckpointState.DURABLE.value


def list_rows(conn: Connection) -> list[contract.StorageRow]:
    """Return the checkpoints on disk of each project and kind, and its artifacts, the largest sum first."""
    rows = [*_list_checkpoints(conn), *_list_artifacts(conn)]
    return sorted(rows, key=lambda row: (-row.bytes, row.project, row.kind))


def _list_checkpoints(conn: Connection) -> list[contract.StorageRow]:
    query = (
        select(
            ProjectTable.name.label("project"),
            CheckpointTable.kind,
            func.count().label("checkpoints"),
            func.sum(_WRITTEN).label("bytes"),
            func.sum(case((CheckpointTable.is_pinned, _WRITTEN), else_=0)).label("pinned_bytes"),
            func.sum(case((in_trash(None), _WRITTEN), else_=0)).label("deleted_bytes"),
        )
        .join(RunTable, CheckpointTable.run_pk == RunTable.pk)
        .join(ProjectTable, RunTable.project_pk == ProjectTable.pk)
        .where(_STORED)
        .group_by(ProjectTable.name, CheckpointTable.kind)
    )
    return [contract.StorageRow.model_validate(row._asdict()) for row in conn.execute(query)]


def _list_artifacts(conn: Connection) -> list[contract.StorageRow]:
    written = ArtifactTable.written_bytes
    query = (
        select(
            ProjectTable.name.label("project"),
            literal("artifact").label("kind"),
            func.count().label("checkpoints"),
            func.sum(written).label("bytes"),
            func.sum(case((in_trash(None), written), else_=0)).label("deleted_bytes"),
        )
        .join(RunTable, ArtifactTable.run_pk == RunTable.pk)
        .join(ProjectTable, RunTable.project_pk == ProjectTable.pk)
        .where(_IS_KEPT)
        .group_by(ProjectTable.name)
    )
    return [contract.StorageRow.model_validate(row._asdict()) for row in conn.execute(query)]


def list_deleted(
    conn: Connection, *, keeps: timedelta, cursor: str | None, limit: int, principal: Principal | None = None
) -> contract.TrashPage:
    """Return a page of deleted runs, the last deleted first; the files stay for `keeps` after the deletion."""
    sums = select(func.coalesce(func.sum(_WRITTEN), 0)).where(CheckpointTable.run_pk == RunTable.pk, _STORED)
    more_sums = select(func.coalesce(func.sum(ArtifactTable.written_bytes), 0))
    more_sums = more_sums.where(ArtifactTable.run_pk == RunTable.pk, _IS_KEPT)
    size = (sums.scalar_subquery() + more_sums.scalar_subquery()).label("bytes")
    columns = (RunTable.pk, RunTable.id, RunTable.number, RunTable.name, RunTable.deleted_at)
    query = (
        select(*columns, ProjectTable.name.label("project"), size)
        .join(ProjectTable, RunTable.project_pk == ProjectTable.pk)
        .where(in_trash(principal))
        .order_by(RunTable.deleted_at.desc(), RunTable.pk.desc())
        .limit(limit + 1)
    )
    if cursor is not None:
        at, pk = cursors.read(cursor, "trash", datetime, int)
        query = query.where((RunTable.deleted_at < at) | ((RunTable.deleted_at == at) & (RunTable.pk < pk)))
    rows = conn.execute(query).all()
    shown = rows[:limit]
    more = cursors.write("trash", [shown[-1].deleted_at, shown[-1].pk]) if len(rows) > limit else None
    known = [{**row._mapping, "files_until": row.deleted_at + keeps} for row in shown]
    return contract.TrashPage(runs=[contract.DeletedRun.model_validate(run) for run in known], cursor=more)
