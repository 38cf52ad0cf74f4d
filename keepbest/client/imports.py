"""The routes by which runs of other tools come in."""

from __future__ import annotations

from keepbest.client.requests import read_answer, to_bytes
from keepbest.client.transport import Transport, path_of
from keepbest.contract.batches import BATCH_MEDIA_TYPE
from keepbest.contract.imports import ImportedRun, ImportEnd, ImportProgress, ImportReceipt, ImportRequest

#: How long the tracker may take to judge a piece, or to write points.
IMPORT_SECONDS = 120.0


class ImportRoutes:
    """The imports of one tracker. Each request may be sent again. Methods raise the tracker's own errors."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def begin(self, request: ImportRequest) -> ImportedRun:
        """Make the run of a source, or find the one that it made before."""
        reply = self._transport.request(
            "POST", path_of("imports"), body=to_bytes(request), repeatable=not request.again, seconds=IMPORT_SECONDS
        )
        return read_answer(ImportedRun, reply.data)

    def send(self, run: str, body: bytes) -> ImportReceipt:
        """Send points, packed as `keepbest.foreign.batches` does."""
        reply = self._transport.request(
            "POST",
            path_of("imports", run, "points"),
            body=body,
            content_type=BATCH_MEDIA_TYPE,
            repeatable=True,
            seconds=IMPORT_SECONDS,
        )
        return read_answer(ImportReceipt, reply.data)

    def finish(self, run: str, end: ImportEnd) -> ImportProgress:
        """Have the next piece of validations judged; the import is complete where nothing is left."""
        reply = self._transport.request(
            "POST",
            path_of("imports", run, "end"),
            body=to_bytes(end),
            repeatable=True,
            seconds=IMPORT_SECONDS,
        )
        return read_answer(ImportProgress, reply.data)
