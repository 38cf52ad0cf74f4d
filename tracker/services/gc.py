"""The garbage collector: the tracker's database decides which checkpoints and artifacts leave its store.

It leaves files alone that the database does not know: those of an offline script, or of another tracker.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path

from keepbest.checkpoint.files import artifacts as files
from keepbest.checkpoint.files import trash
from keepbest.checkpoint.files.artifacts import Mark
from keepbest.checkpoint.files.folder import Folder
from keepbest.checkpoint.upkeep.gc import GRACE, Collected, collect
from keepbest.contract.checkpoints import Checkpoint, CheckpointState
from keepbest.contract.projects import UndeletedProject
from keepbest.contract.runs import Undeleted
from keepbest.errors import NotFound
from tracker import db
from tracker.db import Engine
from tracker.services.archive_uploads import ArchiveUploads
from tracker.settings import TrackerSettings
from tracker.store import artifacts, checkpoints, deletions, project_deletions, projects, retention, runs
from tracker.store.retention import Reference


def collect_garbage(settings: TrackerSettings, engine: Engine, now: datetime, *, dry_run: bool = False) -> Collected:
    """Drop the checkpoints that retention does not keep, trash what was dropped or deleted, and free unneeded files.

    Raises NotTheStore, before any change, where the store is not mounted.
    """
    folder = _open(settings)
    if not dry_run:
        _bring_back_kept(folder, engine)
        _bring_back_artifacts(folder, engine)
    superseded = list(_list_superseded(engine))
    if not dry_run:
        _drop(engine, {run for run, _ in superseded}, now)
        superseded = []  # `find_dropped` reads below which of them were dropped
    there = list(_list_here(folder))
    with db.read(engine) as conn:
        going = {*superseded, *retention.find_dropped(conn, there)}
        pins = retention.find_pinned(conn, there)
    if not dry_run:
        _mark_pins(folder, pins)
        files.sweep_incoming(folder, now - GRACE)
        ArchiveUploads(settings).sweep(now)
    done = collect(
        folder,
        sorted(going & set(there)),
        doomed_artifacts=_find_needless(folder, engine, now),
        now=now,
        trash_age=timedelta(hours=settings.trash_hours),
        dry_run=dry_run,
    )
    if not dry_run:
        _note_gone(folder, engine)
    if not dry_run and done.emptied_artifacts:
        with db.write(engine) as conn:
            artifacts.forget(conn, [artifact for _, artifact in done.emptied_artifacts])
    return done


def pin(settings: TrackerSettings, engine: Engine, id: str, pinned: bool, now: datetime) -> Checkpoint:
    """Pin or unpin a checkpoint; pinning brings it back from the trash.

    The mark in the store is written first, so that a checkpoint shown as pinned is safe. Raises NotFound where the
    files are gone.
    """
    with db.read(engine) as conn:
        checkpoint = checkpoints.get_checkpoint(conn, id)
    if pinned:
        secure(settings, checkpoint)
    elif not checkpoint.aliases:
        release(settings, checkpoint)
    with db.write(engine) as conn:
        if pinned and checkpoint.state is CheckpointState.DROPPED:
            retention.bring_back(conn, id, now)
        return checkpoints.pin(conn, id, pinned)


def secure(settings: TrackerSettings, checkpoint: Checkpoint) -> None:
    """Mark a checkpoint in the store as one that stays; a dropped one comes back from the trash, or NotFound."""
    folder, place = _open(settings), (checkpoint.run, checkpoint.id)
    is_gone = checkpoint.state is CheckpointState.DROPPED
    if is_gone and not trash.undo(folder, *place) and not _is_here(folder, place):
        message = f"Checkpoint {checkpoint.id} was dropped, and the trash has been emptied since."
        raise NotFound(message, field="checkpoint")
    if _is_here(folder, place):
        folder.pin(*place, True)


def release(settings: TrackerSettings, checkpoint: Checkpoint) -> None:
    """Take the mark from a checkpoint that nothing keeps any more."""
    folder = _open(settings)
    if _is_here(folder, (checkpoint.run, checkpoint.id)):
        folder.pin(checkpoint.run, checkpoint.id, False)


def undelete(
    settings: TrackerSettings,
    engine: Engine,
    reference: str,
    *,
    user: str,
    now: datetime,
    brings_project: bool = True,
) -> Undeleted:
    """Bring a deleted run back, with what of its checkpoints and artifacts is still in the store or in its trash.

    The files come back first. If the process is killed before the run is back, the garbage collector takes the files
    out again.
    """
    folder = _open(settings)
    with db.read(engine) as conn:
        run = runs.get_deleted(conn, reference).id
        wanted = deletions.list_checkpoints(conn, run)
        wanted_artifacts = artifacts.list_durable(conn, runs.get_deleted(conn, run))
    for checkpoint in wanted:
        if not _is_here(folder, (run, checkpoint.id)):
            trash.undo(folder, run, checkpoint.id)
    root = folder.root.absolute()  # a checkpoint in a worker's own store counts as there: this tracker cannot look
    back = [
        checkpoint.id
        for checkpoint in wanted
        if _is_here(folder, (run, checkpoint.id)) or not Path(checkpoint.location).is_relative_to(root)
    ]
    gone = [checkpoint.id for checkpoint in wanted if checkpoint.id not in back]
    files.undo(folder, run, [artifact.id for artifact in wanted_artifacts])
    lost = [item.id for item in wanted_artifacts if not files.locate(folder, run, item.id, item.digest).is_file()]
    with db.write(engine) as conn:
        row = deletions.undelete_run(
            conn, runs.get_deleted(conn, run, lock=True), gone, user=user, now=now, brings_project=brings_project
        )
        artifacts.drop(conn, lost)
        kept, missing = len(wanted_artifacts) - len(lost), artifacts.take_lost(conn, row)
        return Undeleted(run=runs.show_run(row), back=back, gone=gone, artifacts=kept, lost_artifacts=missing)


def undelete_project(
    settings: TrackerSettings, engine: Engine, name: str, *, user: str, now: datetime
) -> UndeletedProject:
    """Bring a deleted project back with the runs that were deleted with it.

    The project comes back after its last run: if the process is killed before, the same call goes on.
    """
    with db.read(engine) as conn:
        ids = project_deletions.list_runs(conn, name)
    gone = 0
    for id in ids:
        with suppress(NotFound):  # somebody has just brought this run back
            gone += len(undelete(settings, engine, id, user=user, now=now, brings_project=False).gone)
    with db.write(engine) as conn:
        project_deletions.undelete_project(conn, name, len(ids), user=user, now=now)
        return UndeletedProject(project=projects.get_project(conn, name), runs=len(ids), gone=gone)


def _open(settings: TrackerSettings) -> Folder:
    """Return the tracker's store. Raises NotTheStore where it is not mounted: its checkpoints would all look gone."""
    folder = Folder(Path(settings.store), notes=settings.dir)
    folder.identity.check()
    return folder


def _bring_back_kept(folder: Folder, engine: Engine) -> None:
    """Take checkpoints out of the trash that the database calls durable: somebody has brought them back."""
    with db.read(engine) as conn:
        kept = retention.find_kept(conn, sorted(_list_trash(folder)))
    for run, id in kept:
        trash.undo(folder, run, id)


def _bring_back_artifacts(folder: Folder, engine: Engine) -> None:
    """Take artifacts out of the trash that the database calls durable: a killed process left them there."""
    thrown = [(mark.run, mark.artifact) for mark in files.trashed_marks(folder)]
    with db.read(engine) as conn:
        kept = artifacts.find_kept(conn, thrown)
    for run, artifact in kept:
        files.undo(folder, run, [artifact])


def _find_needless(folder: Folder, engine: Engine, now: datetime) -> list[Mark]:
    """Return the manifests of artifacts that may go. One without a row may be about to get it, so it goes when old."""
    there = list(files.marks(folder))
    with db.read(engine) as conn:
        needless = artifacts.find_needless(conn, [(mark.run, mark.artifact) for mark in there])
    before = (now - GRACE).timestamp()
    return [
        mark
        for mark in there
        if (known := needless.get((mark.run, mark.artifact))) is not None and (known or _is_older(mark.path, before))
    ]


def _is_older(path: Path, moment: float) -> bool:
    with suppress(FileNotFoundError):
        return path.stat().st_mtime < moment
    return False


def _list_superseded(engine: Engine) -> Iterator[Reference]:
    with db.read(engine) as conn:
        for run in retention.find_candidates(conn):
            for checkpoint in retention.list_superseded(conn, runs.get_run(conn, run)):
                yield checkpoint.run, checkpoint.id


def _drop(engine: Engine, candidates: set[str], now: datetime) -> None:
    """Drop the superseded checkpoints of each run in a transaction of its own, so that nobody waits long for it."""
    for run in sorted(candidates):
        with suppress(NotFound), db.write(engine) as conn:
            retention.drop_superseded(conn, run, now)


def _mark_pins(folder: Folder, pins: dict[Reference, bool]) -> None:
    """Write the database's pins to the store, where a request was killed between the two."""
    marked = {run: folder.pins(run) for run, _ in pins}
    for (run, id), pinned in pins.items():
        if pinned != (id in marked[run]):
            folder.pin(run, id, pinned)


def _note_gone(folder: Folder, engine: Engine) -> None:
    """Note which deleted runs' checkpoints have left this store: they take no room any more."""
    with db.read(engine) as conn:
        deleted = retention.list_deleted(conn)
    root = folder.root.absolute()
    own = {(row.run, row.id) for row in deleted if Path(row.location).is_relative_to(root)}
    # Somebody may move a checkpoint between the run and the trash meanwhile: the trash is read before and after.
    gone = own - _list_trash(folder)
    gone -= {reference for reference in gone if _is_here(folder, reference)}
    gone -= _list_trash(folder)
    if gone:
        with db.write(engine) as conn:
            retention.note_gone(conn, sorted(id for _, id in gone))


def _list_trash(folder: Folder) -> set[Reference]:
    return {(item.run, item.checkpoint) for item in trash.items(folder)}


def _list_here(folder: Folder) -> Iterator[Reference]:
    for run in folder.runs():
        for id in folder.checkpoints(run):
            yield run, id


def _is_here(folder: Folder, reference: Reference) -> bool:
    return folder.manifest(*reference).is_file()
