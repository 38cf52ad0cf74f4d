"""Bundles: users' code, one zip for each digest. The tracker reads the list of files and never unpacks the zip."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, select

from keepbest.client import bundle
from keepbest.contract.bundles import MAX_BUNDLE_BYTES, Bundle
from keepbest.contract.runs import CodeSource, CommandSource
from keepbest.errors import InvalidInput, NotFound, TooLarge
from keepbest.hints import nearest
from tracker import models
from tracker.db import insert
from tracker.store.access import audit

_SEND = "`keepbest submit FILE.py:FUNCTION` sends the code first."


@dataclass(frozen=True)
class CheckedBundle:
    """A bundle that `check` has accepted, with its list of files."""

    content: bytes
    digest: str
    files: list[str]


def check(content: bytes) -> CheckedBundle:
    """List a bundle's files; call this outside of any transaction.

    Raises InvalidInput for an unsafe archive, TooLarge for one past the limit.
    """
    if len(content) > MAX_BUNDLE_BYTES:
        raise TooLarge(f"A bundle may have {MAX_BUNDLE_BYTES // 2**20} MB, but got {len(content):,} bytes.")
    files = [path.as_posix() for path in bundle.list_files(content)]
    return CheckedBundle(content, bundle.digest_of(content), files)


def add_bundle(conn: Connection, checked: CheckedBundle, *, user: str, now: datetime) -> Bundle:
    """Keep a bundle; the same bytes again are the same bundle."""
    digest, size = checked.digest, len(checked.content)
    row = {"digest": digest, "data": checked.content, "files": checked.files, "size_bytes": size}
    row |= {"uploaded_by": user, "created_at": now}
    made = insert(conn, models.BundleTable).values(**row).on_conflict_do_nothing(index_elements=["digest"])
    if conn.execute(made.returning(models.BundleTable.digest)).first() is not None:
        audit.record(conn, user, "bundle.upload", digest, now, {"size_bytes": size})
    return get_bundle(conn, digest)


def get_bundle(conn: Connection, digest: str) -> Bundle:
    """Return a bundle's digest, size and date; raises NotFound."""
    table = models.BundleTable
    row = conn.execute(select(table.digest, table.size_bytes, table.created_at).where(table.digest == digest)).first()
    if row is None:
        raise NotFound(f"There is no bundle {digest[:12]}…", field="source.bundle", hint=_SEND)
    return Bundle.model_validate(row._asdict())


def read_bundle(conn: Connection, digest: str) -> bytes:
    """Return a bundle's bytes; raises NotFound."""
    get_bundle(conn, digest)
    return conn.execute(select(models.BundleTable.data).where(models.BundleTable.digest == digest)).scalar_one()


def check_source(conn: Connection, source: CodeSource | CommandSource) -> None:
    """Raise InvalidInput unless the tracker has the bundle and, for a function, the bundle has the function's file."""
    table = models.BundleTable
    known = conn.execute(select(table.files).where(table.digest == source.bundle)).one_or_none()
    if known is None:
        raise InvalidInput(f"There is no bundle {source.bundle[:12]}…", field="source.bundle", hint=_SEND)
    if isinstance(source, CommandSource):
        return
    file = source.entry.rpartition(":")[0]
    files = known.files if known.files is not None else check(read_bundle(conn, source.bundle)).files
    if file not in files:
        raise InvalidInput(f"The bundle holds no file {file!r}.", field="source.entry", hint=nearest(file, files))
