"""The routes by which runs leave a tracker as files."""

from __future__ import annotations

from typing import BinaryIO

from keepbest.client.transport import Transport, path_of
from keepbest.contract.exports import COUNT_HEADER
from keepbest.errors import Unreachable

#: How long the tracker may take to gather the points of a run.
GATHER_SECONDS = 600.0


class ExportRoutes:
    """What leaves one tracker. Methods raise the tracker's own errors, as those of `Client` do."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def points(self, run: str, sink: BinaryIO, *, with_names: bool = True) -> int:
        """Write every point of a run to `sink` as CSV, piece by piece; return the number of points.

        Without `with_names` the first line, which names the columns, is left out. Raises Unreachable if the answer was
        cut off.
        """
        download = self._transport.open(path_of("runs", run, "points"), read_seconds=GATHER_SECONDS)
        expected, lines, is_head = int(download.headers.get(COUNT_HEADER, "0")), 0, True
        for piece in download.pieces:
            lines += piece.count(b"\n")
            if is_head and not with_names:
                piece = piece.partition(b"\n")[2]
            is_head = False
            sink.write(piece)
        if lines != expected + 1:
            raise Unreachable(
                f"{max(0, lines - 1):,} of the {expected:,} points of run {run} arrived.", hint="Try again."
            )
        return expected
