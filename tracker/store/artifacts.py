"""Artifacts: which files a run has, at which paths, in which versions. The store's folder has their bytes.

A row is written after its bytes are durable, and marked as dropped before its bytes go: a durable row has its bytes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, delete, func, insert, select, update

from keepbest.contract import artifacts as contract
from keepbest.contract.checkpoints import CheckpointState
from keepbest.errors import Conflict, InvalidInput, NotFound, TooLarge
from tracker.models import ArtifactTable, CheckpointFileTable, RunTable
from tracker.settings import TrackerSettings
from tracker.store import aliases, checkpoint_files, cursors, events
from tracker.store.access import audit
from tracker.store.access.users import Principal
from tracker.store.checkpoint_files import MetricsFile
from tracker.store.runs import RunRow
from tracker.store.search.visibility import visible

Reference = tuple[str, str]  # ids of a run and of an artifact

_DURABLE, _DROPPED = CheckpointState.DURABLE.value, CheckpointState.DROPPED.value
_IS_DURABLE = ArtifactTable.state == _DURABLE
#: Sorts after every path that begins with the text before it.
_LAST = "\U0010ffff"
#: Ids in one statement.
_AT_ONCE = 500


@dataclass(frozen=True, kw_only=True)
class NewArtifact:
    """A file whose bytes are durable, before it has a row."""

    id: str
    path: str
    kind: contract.ArtifactKind
    media_type: str
    size_bytes: int
    written_bytes: int
    digest: str


def list_artifacts(
    conn: Connection, run: RunRow, *, prefix: str = "", versions: bool = False, cursor: str | None = None, limit: int
) -> contract.ArtifactPage:
    """Return a page of the artifacts whose path begins with `prefix`; with `versions`, the older ones too."""
    wanted = under(run.pk, prefix)
    wanted = wanted if versions else wanted & ArtifactTable.is_current
    query = _select().where(wanted).order_by(ArtifactTable.path, ArtifactTable.version.desc()).limit(limit + 1)
    if cursor is not None:
        path, version = cursors.read(cursor, "artifacts", str, int)
        if path is None or version is None:
            raise cursors.refuse()
        later = (ArtifactTable.path == path) & (ArtifactTable.version < version)
        query = query.where((ArtifactTable.path > path) | later)
    rows = conn.execute(query).all()
    shown = rows[:limit]
    more = cursors.write("artifacts", [shown[-1].path, shown[-1].version]) if len(rows) > limit else None
    count, size = (None, None) if cursor is not None else _sum(conn, wanted)
    names = aliases.read_artifact_names(conn, [row.pk for row in shown])
    return contract.ArtifactPage(artifacts=[_show(row, names) for row in shown], cursor=more, total=count, bytes=size)


def get_artifact(conn: Connection, run: RunRow, path: str, version: int | None = None) -> contract.Artifact:
    """Return the current artifact at a path, or an older version; raises NotFound."""
    wanted = ArtifactTable.is_current if version is None else ArtifactTable.version == version
    row = conn.execute(_select().where(ArtifactTable.run_pk == run.pk, ArtifactTable.path == path, wanted)).first()
    if row is None:
        which = "" if version is None else f" in version {version}"
        raise NotFound(
            f"Run {run.id} has no artifact {path!r}{which}.", field="path", hint=f"`keepbest artifacts ls {run.id}`"
        )
    return _show(row)


def find_current(conn: Connection, run: RunRow, path: str) -> contract.Artifact | None:
    """Return the current artifact at a path, or None."""
    try:
        return get_artifact(conn, run, path)
    except NotFound:
        return None


def find_known(conn: Connection, digest: str, principal: Principal) -> contract.Artifact | None:
    """Return an artifact with these bytes, of any run that the person may see."""
    query = _select().where(ArtifactTable.digest == digest, visible(principal)).limit(1)
    row = conn.execute(query).first()
    return None if row is None else _show(row)


def check_place(conn: Connection, run: RunRow, path: str) -> None:
    """Raise Conflict where a file of the run has the name of a folder of this path, or a folder the path's name."""
    parts = path.split("/")
    folders = ["/".join(parts[:count]) for count in range(1, len(parts))]
    mine = (ArtifactTable.run_pk == run.pk, ArtifactTable.is_current, _IS_DURABLE)
    file = conn.execute(select(ArtifactTable.path).where(*mine, ArtifactTable.path.in_(folders)).limit(1)).scalar()
    if file is not None:
        raise Conflict(f"{file!r} is a file of run {run.id}, so no file lies below it.", field="path", hint=_OTHER)
    below = conn.execute(select(ArtifactTable.path).where(under(run.pk, f"{path}/")).limit(1)).scalar()
    if below is not None:
        message = f"{path!r} is a folder of run {run.id}: {below!r} lies in it."
        raise Conflict(message, field="path", hint=_OTHER)


_OTHER = "Choose another path, or delete what is there: `keepbest artifacts rm RUN PATH`."


def check_room(conn: Connection, run: RunRow, size: int, settings: TrackerSettings) -> None:
    """Raise TooLarge where the run would have too many artifacts, or too many bytes of them, with one more."""
    count, there = _sum(conn, (ArtifactTable.run_pk == run.pk) & _IS_DURABLE)
    hint = "Delete some: `keepbest artifacts rm`; or the tracker's setting {} allows more."
    if count >= settings.run_artifacts:
        message = f"Run {run.id} has {count:,} artifacts, and no run has more here."
        raise TooLarge(message, field="path", hint=hint.format("KEEPBEST_RUN_ARTIFACTS"))
    if there + size > settings.run_artifact_bytes:
        message = f"The artifacts of run {run.id} have at most {settings.run_artifact_bytes:,} bytes here."
        raise TooLarge(message, field="body", hint=hint.format("KEEPBEST_RUN_ARTIFACT_BYTES"))


def add_artifact(
    conn: Connection,
    run: RunRow,
    new: NewArtifact,
    *,
    versions: int,
    user: str,
    now: datetime,
    metrics_file: MetricsFile | None = None,
) -> contract.Artifact:
    """Add a version, which becomes the current one, and drop those beyond the newest `versions` of its path.

    Of a checkpoint retention says which stay; `metrics_file` is what the file beside it says of its validation.
    """
    here = (ArtifactTable.run_pk == run.pk, ArtifactTable.path == new.path)
    last = conn.execute(select(func.max(ArtifactTable.version)).where(*here)).scalar() or 0
    conn.execute(update(ArtifactTable).where(*here, ArtifactTable.is_current).values(is_current=False))
    values = {"run_pk": run.pk, "version": last + 1, "is_current": True, "state": _DURABLE, "user": user, "at": now}
    conn.execute(insert(ArtifactTable).values(**values, **vars(new)))
    if checkpoint_files.is_checkpoint(new.path):
        checkpoint_files.keep(conn, run, get_artifact(conn, run, new.path), metrics_file, versions=versions)
    else:
        old = update(ArtifactTable).where(*here, ArtifactTable.version <= last + 1 - versions, _IS_DURABLE)
        conn.execute(old.where(~aliases.ARTIFACT_IS_NAMED).values(state=_DROPPED))
    artifact = get_artifact(conn, run, new.path)
    events.append(conn, "run.artifact", run, artifact.model_dump(mode="json"), now)
    return artifact


def delete_artifact(conn: Connection, run: RunRow, path: str, *, user: str, now: datetime) -> None:
    """Delete a file with its older versions; its bytes go with the garbage. Raises NotFound."""
    artifact = get_artifact(conn, run, path)
    here = (ArtifactTable.run_pk == run.pk, ArtifactTable.path == path, _IS_DURABLE)
    _check_names(conn, run, here)
    conn.execute(update(ArtifactTable).where(*here).values(state=_DROPPED, is_current=False))
    events.append(conn, "run.artifact", run, {"path": path, "is_current": False}, now)
    audit.record(conn, user, "artifact.delete", run.id, now, {"path": path, "version": artifact.version})


def _check_names(conn: Connection, run: RunRow, here: Sequence[ColumnElement[bool]]) -> None:
    """Raise Conflict where a version has an alias."""
    pks = conn.execute(select(ArtifactTable.pk).where(*here)).scalars().all()
    for pk, names in aliases.read_artifact_names(conn, pks).items():
        version = conn.execute(select(ArtifactTable.version).where(ArtifactTable.pk == pk)).scalar_one()
        aliases.refuse(names[0], run.project, f"Version {version} of the artifact", "is not deleted")


# Their files


def find_needless(conn: Connection, there: Sequence[Reference]) -> dict[Reference, bool]:
    """Return those of `there` whose bytes may go, each with whether it has a row.

    They were dropped, or their run was deleted, or they have no row although their run is one of this tracker's: a
    process was killed between writing the bytes and the row, or is about to write the row.
    """
    rows = {row.id: row for row in _read(conn, [artifact for _, artifact in there])}
    strangers = {run for run, artifact in there if artifact not in rows}
    own = set(_find_own(conn, sorted(strangers)))
    gone = {(row.run, row.id): True for row in rows.values() if row.state == _DROPPED or row.deleted_at is not None}
    return gone | {(run, artifact): False for run, artifact in there if artifact not in rows and run in own}


def find_kept(conn: Connection, there: Sequence[Reference]) -> list[Reference]:
    """Return those of `there` that are durable and whose run is not deleted."""
    rows = _read(conn, [artifact for _, artifact in there])
    return [(row.run, row.id) for row in rows if row.state == _DURABLE and row.deleted_at is None]


def list_durable(conn: Connection, run: RunRow) -> list[contract.Artifact]:
    """Return every durable artifact of a run, older versions and those of a deleted run too."""
    return [_show(row) for row in conn.execute(_select().where(ArtifactTable.run_pk == run.pk))]


def drop(conn: Connection, ids: Sequence[str]) -> None:
    """Mark artifacts as dropped: their bytes are gone."""
    for part in _parts(ids):
        conn.execute(update(ArtifactTable).where(ArtifactTable.id.in_(part)).values(state=_DROPPED))


def forget(conn: Connection, ids: Sequence[str]) -> None:
    """Forget artifacts whose bytes have left the trash. Those of a deleted run count as lost, should it come back."""
    for part in _parts(ids):
        conn.execute(delete(ArtifactTable).where(ArtifactTable.id.in_(part), ArtifactTable.state == _DROPPED))
        conn.execute(update(ArtifactTable).where(ArtifactTable.id.in_(part)).values(state=_DROPPED))


def take_lost(conn: Connection, run: RunRow) -> int:
    """Delete the rows of a deleted run's current artifacts whose bytes are gone; return how many there were."""
    lost = (ArtifactTable.run_pk == run.pk, ArtifactTable.is_current, ArtifactTable.state == _DROPPED)
    return conn.execute(delete(ArtifactTable).where(*lost)).rowcount


def _read(conn: Connection, ids: Sequence[str]) -> Iterator[Row[Any]]:
    columns = (ArtifactTable.id, ArtifactTable.state, RunTable.id.label("run"), RunTable.deleted_at)
    query: Any = select(*columns).join(RunTable, ArtifactTable.run_pk == RunTable.pk)
    for part in _parts(ids):
        yield from conn.execute(query.where(ArtifactTable.id.in_(part)))


def _find_own(conn: Connection, ids: Sequence[str]) -> Iterator[str]:
    for part in _parts(ids):
        yield from conn.execute(select(RunTable.id).where(RunTable.id.in_(part))).scalars()


def _parts(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    return (ids[start : start + _AT_ONCE] for start in range(0, len(ids), _AT_ONCE))


def under(run_pk: int, prefix: str) -> ColumnElement[bool]:
    """Return the condition of durable artifacts of a run whose path begins with `prefix`, as a range of the index."""
    mine = (ArtifactTable.run_pk == run_pk) & _IS_DURABLE
    return mine & (ArtifactTable.path >= prefix) & (ArtifactTable.path < prefix + _LAST) if prefix else mine


def _sum(conn: Connection, wanted: ColumnElement[bool]) -> tuple[int, int]:
    sums = select(func.count(), func.coalesce(func.sum(ArtifactTable.size_bytes), 0)).where(wanted)
    count, size = conn.execute(sums).one()
    return count, int(size)


def _select() -> Select[Any]:
    tied = (CheckpointFileTable.step, CheckpointFileTable.value)
    query = select(*ArtifactTable.__table__.columns, *tied, RunTable.id.label("run"))
    query = query.join(RunTable, ArtifactTable.run_pk == RunTable.pk)
    query = query.outerjoin(CheckpointFileTable, CheckpointFileTable.artifact_pk == ArtifactTable.pk)
    return query.where(_IS_DURABLE)


def _show(row: Row[Any], names: Mapping[int, list[str]] | None = None) -> contract.Artifact:
    return contract.Artifact.model_validate({**row._asdict(), "aliases": (names or {}).get(row.pk, [])})


def read_path(text: str) -> str:
    """Return the path of an artifact; raises InvalidInput where it is no place in a run."""
    try:
        return contract.check_path(text)
    except ValueError as error:
        raise InvalidInput(f"{text[:80]!r} is no path of an artifact: {error}.", field="path") from None
