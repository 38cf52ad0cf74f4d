"""Archives: runs leave in one file, and come in one. A large one comes in pieces, so that a bad line costs little."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from tempfile import TemporaryFile
from typing import IO, BinaryIO

from flask import Blueprint, Response, request
from pydantic import Field

from keepbest.archive import reader, writer
from keepbest.archive.layout import ENDING
from keepbest.archive.writer import Member
from keepbest.contract.base import Count, Shape
from keepbest.contract.imported import ArchiveImport, ArchivePiece, ArchiveRequest
from keepbest.errors import InvalidInput
from tracker.api.access import principal
from tracker.api.envelope import now, route_schema, service
from tracker.services.archive_intake import ArchiveIntake
from tracker.services.archive_uploads import ArchiveUploads
from tracker.services.archives import ArchiveMaker

blueprint = Blueprint("archives", __name__)

BINARY = "application/octet-stream"
TAR = "application/x-tar"
_PIECE = 2**18


class ArchiveQuery(Shape):
    """Whether checkpoints and artifacts go along, or only what is recorded of them."""

    files: bool = True


class PieceQuery(Shape):
    """The place in the archive at which the body begins."""

    at: Count = Field(default=0)


@blueprint.get("/archives/runs/<run>")
@route_schema(None, query=ArchiveQuery, transact=False, media=TAR)
def export_run(run: str, query: ArchiveQuery) -> Response:
    """Return all of a run that has ended as one archive: records, checkpoints, artifacts, code."""
    return _export(run, query, lambda maker: maker.make_of_run(run, now()))


@blueprint.get("/archives/projects/<path:project>")
@route_schema(None, query=ArchiveQuery, transact=False, media=TAR)
def export_project(project: str, query: ArchiveQuery) -> Response:
    """Return a project and its runs that have ended as one archive."""
    return _export("project", query, lambda maker: maker.make_of_project(project, principal(), now()))


@blueprint.get("/archives/<archive>")
@route_schema(ArchivePiece)
def count_received(conn: object, archive: str) -> ArchivePiece:
    """Say how many bytes of an archive are here already; the digest is that of its SHA256SUMS."""
    return ArchivePiece(archive=archive, received=_uploads().count(principal(), archive))


@blueprint.put("/archives/<archive>")
@route_schema(ArchivePiece, query=PieceQuery, body_media=(BINARY,), transact=False, limit=2**31)
def receive_archive(archive: str, query: PieceQuery) -> ArchivePiece:
    """Take a piece of an archive that begins at `at`; the answer says where the next one begins."""
    received = _uploads().append(principal(), archive, query.at, _pieces())
    return ArchivePiece(archive=archive, received=received)


@blueprint.post("/archives/<archive>")
@route_schema(ArchiveImport, body=ArchiveRequest, transact=False)
def import_archive(archive: str, body: ArchiveRequest) -> ArchiveImport:
    """Check an archive that is here whole, and bring its runs; those that are here already stay as they are."""
    uploads, by = _uploads(), principal()
    with uploads.opened(by, archive) as file:
        try:
            done = _import(file, archive, body)
        except InvalidInput:
            uploads.remove(by, archive)  # it will never be right: a damaged one is sent again
            raise
        uploads.remove(by, archive)
    return done


def _import(file: BinaryIO, digest: str, body: ArchiveRequest) -> ArchiveImport:
    checked = reader.check(file)
    if checked.digest != digest:
        raise InvalidInput("Another archive arrived than was named.", field="archive", hint="Send it again.")
    project = body.project or checked.header.project
    return ArchiveIntake(service().settings, service().engine, checked, project, principal(), now()).bring()


def _export(name: str, query: ArchiveQuery, make: Callable[[ArchiveMaker], Sequence[Member]]) -> Response:
    spool = TemporaryFile()  # noqa: SIM115  it is closed after the last byte is sent
    try:
        maker = ArchiveMaker(service().settings, service().engine, spool, query.files)
        members = make(maker)
    except BaseException:
        spool.close()
        raise
    response = Response(_send(spool, members), content_type=TAR, direct_passthrough=True)
    response.call_on_close(spool.close)
    response.headers["Content-Length"] = str(writer.count_bytes(members))
    response.headers["Content-Disposition"] = f'attachment; filename="{name}{ENDING}"'
    response.headers["Cache-Control"] = "private, no-store"
    return response


def _send(spool: IO[bytes], members: Sequence[Member]) -> Iterator[bytes]:
    with spool:
        yield from writer.stream(members)


def _uploads() -> ArchiveUploads:
    return ArchiveUploads(service().settings)


def _pieces() -> Iterator[bytes]:
    while piece := request.stream.read(_PIECE):
        yield piece
