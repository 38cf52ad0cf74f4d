"""Takes files of runs: bytes into the store first, then the row, so that no row is without its bytes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from keepbest.checkpoint.files import artifacts as files
from keepbest.checkpoint.files.artifacts import ArtifactManifest
from keepbest.checkpoint.files.folder import Folder
from keepbest.contract.artifacts import Artifact, ArtifactKind
from keepbest.contract.base import new_id
from keepbest.errors import Busy, Conflict, InvalidInput, LeaseLost, NotFound
from keepbest.status import Role
from tracker import db
from tracker.db import Connection, Engine
from tracker.settings import TrackerSettings
from tracker.store import artifacts, checkpoint_files, leases, runs
from tracker.store.access.users import Principal
from tracker.store.artifacts import NewArtifact
from tracker.store.checkpoint_files import MetricsFile
from tracker.store.runs import RunRow

_LEASE_HINT = "Send the lease's token in the header Keepbest-Lease."
_TOLD = "Send the header Content-Length, or the file's SHA-256 in Keepbest-Digest."


@dataclass(frozen=True, kw_only=True)
class Upload:
    """A request that brings a file, or that names one the tracker has already (`is_known`)."""

    run: str
    path: str
    kind: ArtifactKind
    media_type: str
    pieces: Iterable[bytes]
    length: int | None
    digest: str | None
    is_known: bool
    lease: str


@dataclass(frozen=True)
class _Content:
    digest: str
    size_bytes: int


@dataclass(frozen=True)
class _Pending:
    """The manifest of an upload that has no row yet; `is_new`: no row has its id."""

    manifest: ArtifactManifest
    is_new: bool
    written_bytes: int = 0


class ArtifactIntake:
    """Takes the uploads of one tracker."""

    def __init__(self, settings: TrackerSettings, engine: Engine) -> None:
        self._settings = settings
        self._engine = engine
        self._folder = Folder(Path(settings.store), notes=settings.dir)

    def take(self, upload: Upload, principal: Principal, now: datetime) -> Artifact:
        """Keep a file as the current version of its path; the same bytes again are the same version.

        Raises NotFound for an unknown run, or for a digest that the tracker does not have; Conflict for a path that is
        a folder; TooLarge; InvalidInput for bytes that are not those of the digest.
        """
        with db.read(self._engine) as conn:
            run = runs.get_run(conn, upload.run)
            if upload.lease == "" and principal.role is Role.WORKER:
                raise LeaseLost("A worker writes artifacts only under the run's lease.", hint=_LEASE_HINT)
            current = artifacts.find_current(conn, run, upload.path)
            if current is None or current.digest != upload.digest:
                self._check(conn, run, upload, upload.length or 0)
        if upload.is_known:
            return self._adopt(upload, principal, now)
        with files.receive(self._folder, upload.pieces, self._settings.artifact_bytes) as received:
            _compare(upload, received.digest, received.size_bytes)
            content = _Content(received.digest, received.size_bytes)
            pending = self._describe(upload, content, now)
            written = files.keep(self._folder, received, pending.manifest)
        return self._record(upload, replace(pending, written_bytes=written), principal, now)

    def _adopt(self, upload: Upload, principal: Principal, now: datetime) -> Artifact:
        if upload.digest is None:
            raise InvalidInput("A known file is named by its digest.", field="digest", hint=_TOLD)
        with db.read(self._engine) as conn:
            known = artifacts.find_known(conn, upload.digest, principal)
        if known is None:
            raise NotFound("The tracker has no such file yet.", field="digest", hint="Send its bytes.")
        pending = self._describe(upload, _Content(known.digest, known.size_bytes), now)
        files.adopt(self._folder, pending.manifest)
        return self._record(upload, pending, principal, now)

    def _describe(self, upload: Upload, content: _Content, now: datetime) -> _Pending:
        """Return the manifest of an upload: that of the current version, if it has the same bytes."""
        with db.read(self._engine) as conn:
            run = runs.get_run(conn, upload.run)
            current = artifacts.find_current(conn, run, upload.path)
        is_same = current is not None and current.digest == content.digest
        manifest = ArtifactManifest(
            id=current.id if current is not None and is_same else new_id(),
            run=run.id,
            path=upload.path,
            digest=content.digest,
            size_bytes=content.size_bytes,
            media_type=upload.media_type,
            kind=upload.kind,
            at=now,
        )
        return _Pending(manifest, not is_same)

    def _record(self, upload: Upload, pending: _Pending, principal: Principal, now: datetime) -> Artifact:
        """Write the row of bytes that are durable; an artifact that gets none leaves no manifest."""
        manifest, metrics_file = pending.manifest, self._read_metrics(upload)
        with _undone(self._folder, pending) as keep, db.write(self._engine) as conn:
            run = runs.get_run(conn, upload.run, lock=True)
            current = artifacts.find_current(conn, run, upload.path)
            if current is not None and current.digest == manifest.digest:
                keep(current.id)
                return current
            if not pending.is_new:
                raise Busy(f"Another file has just taken the place {upload.path}.", hint="Send this one again.")
            self._check_writer(conn, run, upload, current, now)
            self._check(conn, run, upload, manifest.size_bytes)
            new = NewArtifact(
                id=manifest.id,
                path=upload.path,
                kind=upload.kind,
                media_type=upload.media_type,
                size_bytes=manifest.size_bytes,
                written_bytes=pending.written_bytes,
                digest=manifest.digest,
            )
            versions = max(1, self._settings.artifact_versions)
            artifact = artifacts.add_artifact(
                conn, run, new, versions=versions, user=principal.user, now=now, metrics_file=metrics_file
            )
            keep(artifact.id)
        return artifact

    def _read_metrics(self, upload: Upload) -> MetricsFile | None:
        """Return what the file beside a checkpoint says of it; None for another file, and for a large one."""
        beside = checkpoint_files.metrics_of(upload.path) if checkpoint_files.is_checkpoint(upload.path) else None
        if beside is None:
            return None
        with db.read(self._engine) as conn:
            metrics = artifacts.find_current(conn, runs.get_run(conn, upload.run), beside)
            if metrics is None or metrics.size_bytes > checkpoint_files.MAX_METRICS:
                return None
            pk = checkpoint_files.find_pk(conn, metrics.id)
        with suppress(OSError):
            return checkpoint_files.read_metrics(pk, self._folder.content(metrics.digest, files.CONTENT).read_bytes())
        return None

    def _check(self, conn: Connection, run: RunRow, upload: Upload, size: int) -> None:
        artifacts.check_place(conn, run, upload.path)
        artifacts.check_room(conn, run, size, self._settings)

    def _check_writer(
        self, conn: Connection, run: RunRow, upload: Upload, current: Artifact | None, now: datetime
    ) -> None:
        """Raise LeaseLost for a token that is no lease of the run, Conflict if an old attempt would replace a file."""
        if upload.lease == "":
            return
        validity = leases.judge(conn, run, upload.lease, now)
        if validity.attempt < run.attempt and current is not None:
            raise Conflict(
                f"Attempt {validity.attempt} of run {run.id} is over, so it does not replace {upload.path!r}.",
                field="path",
                hint=f"Attempt {run.attempt} trains the run now. Send the file under another path.",
            )


@contextmanager
def _undone(folder: Folder, pending: _Pending) -> Iterator[Callable[[str], None]]:
    """Yield a function that names the artifact that stays; the manifest of another one goes after the block."""
    kept, manifest = list[str](), pending.manifest
    try:
        yield kept.append
    finally:
        if pending.is_new and manifest.id not in kept:
            files.locate(folder, manifest.run, manifest.id, manifest.digest).unlink(missing_ok=True)


def _compare(upload: Upload, digest: str, size: int) -> None:
    if upload.length is None and upload.digest is None:
        raise InvalidInput("Nobody can tell whether the whole file arrived.", field="digest", hint=_TOLD)
    if upload.length is not None and size != upload.length:
        raise InvalidInput(f"{size:,} of {upload.length:,} bytes arrived.", field="body", hint="Send the file again.")
    if upload.digest is not None and digest != upload.digest:
        raise InvalidInput(
            f"The bytes that arrived have the digest {digest[:12]}…, not {upload.digest[:12]}….",
            field="digest",
            hint="Send the file again.",
        )
