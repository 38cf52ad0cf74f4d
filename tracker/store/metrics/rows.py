"""Points as rows: every point of a run, of all metrics and segments, as it was sent; thinned nowhere."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO

from sqlalchemy import Connection, select

from tracker.models import MetricChunkTable
from tracker.store.metrics import chunks
from tracker.store.metrics.axes import Axis, read_epoch_axes
from tracker.store.metrics.chunks import PointColumns
from tracker.store.metrics.pieces import Piece
from tracker.store.runs import RunRow

COLUMNS = ("run", "name", "key", "segment", "step", "epoch", "time", "value")
#: Rows of blobs fetched at once.
_FETCH = 100


@dataclass(frozen=True, slots=True)
class _Place:
    """A chunk in the spool: what it holds, and how many bytes of it come next."""

    key: str
    segment: int
    encoding: int
    count: int
    size: int


@dataclass(frozen=True)
class SpooledPoints:
    """The packed points of a run, copied out of the database, so that they are sent without a transaction."""

    run: str
    name: str
    epochs: Axis | None
    places: list[_Place]
    file: IO[bytes]

    @property
    def count(self) -> int:
        """The number of points."""
        return sum(place.count for place in self.places)

    def to_csv(self) -> Iterator[bytes]:
        """Yield the points as CSV with a line of names first, chunk by chunk."""
        yield (",".join(COLUMNS) + "\n").encode()
        self.file.seek(0)
        for place in self.places:
            points = chunks.decode(self.file.read(place.size), place.encoding, place.count)
            begin = _quote((self.run, self.name, place.key, place.segment))
            yield _write_lines(begin, points, self._find_epochs(place.segment, points)).encode()

    def _find_epochs(self, segment: int, points: PointColumns) -> list[str]:
        placed = None if self.epochs is None else self.epochs(Piece(segment, False, points)).x
        return [""] * len(points) if placed is None else [repr(epoch) for epoch in placed.tolist()]


def spool(conn: Connection, run: RunRow, file: IO[bytes]) -> SpooledPoints:
    """Copy a run's packed points to `file`, in the order of metric, segment and arrival."""
    table, places = MetricChunkTable, list[_Place]()
    columns = (table.key, table.segment, table.encoding, table.count.label("points"), table.data)
    query = select(*columns).where(table.run_pk == run.pk).order_by(table.key, table.segment, table.pk)
    for row in conn.execute(query.execution_options(yield_per=_FETCH)):
        file.write(row.data)
        places.append(_Place(row.key, row.segment, row.encoding, row.points, len(row.data)))
    return SpooledPoints(run.id, run.name, read_epoch_axes(conn, [run.pk]).get(run.pk), places, file)


def _write_lines(begin: str, points: PointColumns, epochs: list[str]) -> str:
    columns = (points.steps.tolist(), epochs, points.times.tolist(), points.values.tolist())
    return "".join(
        f"{begin},{step},{epoch},{time!r},{value!r}\n" for step, epoch, time, value in zip(*columns, strict=True)
    )


def _quote(cells: tuple[object, ...]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="").writerow(cells)
    return text.getvalue()
