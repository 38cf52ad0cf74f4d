"""What rows of an archive hold beside plain values: packed data, which is unpacked within limits, and documents.

`check_readable` reads a run as its pages do, so that an archive cannot bring a run that no page can show.
"""

from __future__ import annotations

import re
import zlib
from typing import Any

import numpy as np
from pydantic import TypeAdapter, ValidationError
from sqlalchemy import Connection, select

from keepbest.contract import panels as contract
from keepbest.contract.artifacts import check_path
from keepbest.contract.names import check_name, check_word
from keepbest.contract.panels import MAX_PANEL_BYTES
from keepbest.errors import InvalidInput
from tracker.models import ArtifactTable, MetricSummaryTable
from tracker.store import (
    artifacts,
    checkpoints,
    commands,
    logs,
    panels,
    provenance,
    runs,
    segments,
    test_results,
    validations,
)
from tracker.store.archives.rows import Values
from tracker.store.metrics import chunks, metrics
from tracker.store.runs import RunRow

#: Points of one chunk: a batch brings no more, and a packed chunk has `chunks.FULL_POINTS`.
MAX_CHUNK_POINTS = 1_000_000
MAX_EXAMPLES = 50_000_000
_POINT_BYTES = 24
_PAGE = 1000
_KIND = re.compile(r"[a-z]+(?:[._-][a-z]+)*")
_PANEL: TypeAdapter[contract.PanelData] = TypeAdapter(contract.PanelData)


def check_chunk(row: Values) -> None:
    """Raise InvalidInput unless the packed points are as many as the row says, within its steps."""
    count, encoding = row["count"], row["encoding"]
    if not 0 < count <= MAX_CHUNK_POINTS or encoding not in (chunks.RAW, chunks.OPEN, chunks.FULL):
        raise InvalidInput("A chunk has another number of points, or is packed in a way that is not known.")
    _check_points(row["data"], encoding, count)
    points = chunks.decode(row["data"], encoding, count)
    if (int(points.steps.min()), int(points.steps.max())) != (row["first_step"], row["last_step"]):
        raise InvalidInput("The steps of a chunk are not those of its row.")
    if row["envelope"] is not None:
        size = int.from_bytes(row["envelope"][:4], "little")
        _check_points(row["envelope"][4:], chunks.OPEN, min(size, 2 * chunks.BUCKETS + 2))
        if not np.isin(chunks.read_envelope(row["envelope"]).steps, points.steps).all():
            raise InvalidInput("The envelope of a chunk has other steps than the chunk.")


def check_panel(row: Values) -> None:
    """Raise InvalidInput unless the data is a panel of the row's kind."""
    try:
        panel = _PANEL.validate_json(inflate(row["data"], MAX_PANEL_BYTES))
    except ValidationError as error:
        raise InvalidInput(f"A panel is none: {error.errors()[0]['msg']}.") from None
    if panel.kind != row["kind"]:
        raise InvalidInput(f"A panel is of kind {panel.kind}, not {row['kind'][:20]}.")


def check_examples(row: Values) -> None:
    """Raise InvalidInput unless the data holds what the row says of its examples."""
    n, kind = row["n"], row["kind"]
    if kind not in ("losses", "correct", "unpaired") or not 0 <= n <= MAX_EXAMPLES:
        raise InvalidInput("The examples of a validation are of no kind that is known.")
    if (kind == "unpaired") != (row["data"] is None):
        raise InvalidInput("The examples of a validation have no data, or too much.")
    if row["data"] is not None:
        most = 4 * n if kind == "losses" else n // 8 + 1
        size = len(inflate(row["data"], most))
        if kind == "losses" and size != most:
            raise InvalidInput("The losses of a validation are not as many as its row says.")


def check_kind(row: Values) -> None:
    """Raise InvalidInput for an event of no kind that keepbest writes."""
    if not _KIND.fullmatch(row["kind"]):
        raise InvalidInput(f"{row['kind'][:40]!r} is no kind of event.")


def check_readable(conn: Connection, run: RunRow) -> None:
    """Read a run as its pages do; raises InvalidInput where that is not possible."""
    try:
        _read(conn, run)
    except (ValidationError, ValueError, KeyError, TypeError, AttributeError) as error:
        first = str(error).splitlines()[0][:200]
        message = f"What the archive says of run {run.id} is nothing that a run has: {first}."
        hint = "The archive was not made by keepbest, or by a newer one."
        raise InvalidInput(message, field="archive", hint=hint) from None


def _read(conn: Connection, run: RunRow) -> None:
    runs.show_run(run)
    check_name(run.name)
    path = segments.read_path(conn, run.pk)
    segments.list_segments(conn, run.pk)
    checkpoints.list_checkpoints(conn, run)
    checkpoints.list_receipts(conn, run.pk)
    commands.list_commands(conn, run.pk)
    test_results.list_test_results(conn, run.pk)
    provenance.get_provenance(conn, run.pk)
    panels.list_panels(conn, run.pk)
    metrics.list_summaries(conn, run.pk)
    artifacts.list_durable(conn, run)
    for key in conn.execute(select(MetricSummaryTable.key).where(MetricSummaryTable.run_pk == run.pk)).scalars():
        check_word(key)
    for place in conn.execute(select(ArtifactTable.path).where(ArtifactTable.run_pk == run.pk)).scalars():
        check_path(place)
    _read_pages(lambda after: validations.list_validations(conn, run.pk, path, after=after, limit=_PAGE))
    _read_pages(lambda after: logs.list_pieces(conn, run.pk, after=after, limit=_PAGE))


def _read_pages(read: Any) -> None:
    after = 0
    while page := read(after):
        after = page[-1].seq


def inflate(data: bytes, most: int) -> bytes:
    """Return what was deflated; raises InvalidInput for more than `most` bytes, or for what is not deflated."""
    unpacker = zlib.decompressobj()
    try:
        plain = unpacker.decompress(data, most + 1)
    except zlib.error as error:
        raise InvalidInput(f"Packed data cannot be unpacked: {error}.") from None
    if len(plain) > most or not unpacker.eof or unpacker.unused_data:
        raise InvalidInput(f"Packed data holds more than {most:,} bytes, or was cut off.")
    return plain


def _check_points(data: bytes, encoding: int, count: int) -> None:
    """Raise InvalidInput unless the data unpacks to so many points."""
    size = len(data) if encoding == chunks.RAW else len(inflate(data, _POINT_BYTES * count))
    if size != _POINT_BYTES * count:
        raise InvalidInput("A chunk has another number of points than its row says.")
