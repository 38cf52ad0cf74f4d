"""Archives between a file of this machine and a tracker: fetched whole, sent in pieces that go on where they broke."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from typing import BinaryIO

from keepbest.archive.reader import Archive
from keepbest.client.requests import read_answer, to_bytes
from keepbest.client.transport import Transport, path_of
from keepbest.contract.imported import PIECE_BYTES, ArchiveImport, ArchivePiece, ArchiveRequest
from keepbest.errors import Busy, KeepbestError, Unreachable

#: How long the tracker may take to gather an archive, and to take one in.
WORK_SECONDS = 3600.0
PIECE_SECONDS = 120.0

Progress = Callable[[int, int], object]


class Archives:
    """The archives of one tracker. Methods raise the tracker's own errors, as those of `Client` do.

    `progress` gets how many bytes are done, of how many.
    """

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def fetch_run(self, run: str, sink: BinaryIO, *, files: bool = True, progress: Progress) -> int:
        """Write the archive of a run to `sink`; return its size. The caller checks it."""
        return self._fetch(path_of("archives", "runs", run), sink, files, progress)

    def fetch_project(self, project: str, sink: BinaryIO, *, files: bool = True, progress: Progress) -> int:
        """Write the archive of a project to `sink`; return its size. The caller checks it."""
        return self._fetch(path_of("archives", "projects", project), sink, files, progress)

    def send(self, archive: Archive, *, project: str | None = None, progress: Progress) -> ArchiveImport:
        """Bring an archive that was checked; what the tracker has of it already is not sent again."""
        place = path_of("archives", archive.digest)
        received = read_answer(ArchivePiece, self._transport.request("GET", place).data).received
        while received < archive.size:
            progress(received, archive.size)
            received = self._send_piece(archive, place, received)
        progress(archive.size, archive.size)
        body = to_bytes(ArchiveRequest(project=project))
        reply = self._transport.request("POST", place, body=body, repeatable=True, seconds=WORK_SECONDS)
        return read_answer(ArchiveImport, reply.data)

    def _send_piece(self, archive: Archive, place: str, at: int) -> int:
        archive.file.seek(at)
        piece = archive.file.read(min(PIECE_BYTES, archive.size - at))
        reply = self._transport.request(
            "PUT",
            place,
            query={"at": at},
            body=BytesIO(piece),
            content_type="application/octet-stream",
            headers={"Content-Length": str(len(piece))},
            repeatable=True,
            seconds=PIECE_SECONDS,
        )
        received = read_answer(ArchivePiece, reply.data).received
        if received == at:
            raise Busy("The tracker takes no byte of the archive.", hint="Try again.")
        return received

    def _fetch(self, place: str, sink: BinaryIO, files: bool, progress: Progress) -> int:
        query = {} if files else {"files": "false"}
        download = self._transport.open(place, query=query, read_seconds=WORK_SECONDS)
        total, size = int(download.headers.get("Content-Length", "0")), 0
        try:
            for piece in download.pieces:
                size += sink.write(piece)
                progress(size, total)
        except Unreachable as error:
            raise _cut_off(size, total) from error
        if size != total:
            raise _cut_off(size, total)
        return size


def _cut_off(size: int, total: int) -> KeepbestError:
    return Unreachable(f"The archive was cut off: {size:,} of {total:,} bytes arrived.", hint="Export it again.")
