"""The next batch while it fills: points grouped into columns by (segment, key), records by their kind."""

from __future__ import annotations

from typing import Any

from keepbest.contract.batches import (
    MAX_BATCH_POINTS,
    Batch,
    CheckpointDropped,
    CheckpointDurable,
    Columns,
    CommandUpdate,
    LogLines,
    Progress,
    ReportedValidation,
    SegmentOpened,
    WithdrawnValidation,
)
from keepbest.contract.panels import PanelMade
from keepbest.journal import wire

#: One call of `Run.log` in the buffer: step, time, segment, values.
Logged = tuple[int, float, int, dict[str, float]]
Record = (
    SegmentOpened
    | ReportedValidation
    | WithdrawnValidation
    | CheckpointDurable
    | CheckpointDropped
    | CommandUpdate
    | LogLines
    | PanelMade
    | Progress
)

MAX_RECORDS = 900
MAX_COLUMNS = 4_000
MAX_TEXT = 2**20
_FIELDS: dict[type[Any], str] = {
    SegmentOpened: "segments",
    ReportedValidation: "validations",
    WithdrawnValidation: "withdrawn",
    CheckpointDurable: "checkpoints",
    CheckpointDropped: "dropped",
    CommandUpdate: "commands",
    LogLines: "logs",
    PanelMade: "panels",
}


class Draft:
    """One batch in the making."""

    def __init__(self) -> None:
        self._columns: dict[tuple[int, str], wire.MetricPoints] = {}
        self._records: dict[str, list[Any]] = {}
        self._progress: Progress | None = None
        self._count = {"points": 0, "records": 0, "text": 0}

    @property
    def is_empty(self) -> bool:
        return not self._columns and not self._records and self._progress is None

    @property
    def is_full(self) -> bool:
        """Whether one more `add` might exceed the tracker's limits for a batch."""
        count = self._count
        return (
            count["points"] >= MAX_BATCH_POINTS // 2
            or count["records"] >= MAX_RECORDS
            or count["text"] >= MAX_TEXT
            or len(self._columns) >= MAX_COLUMNS
        )

    def add(self, item: Logged | Record) -> None:
        if isinstance(item, tuple):
            self._add_points(*item)
        elif isinstance(item, Progress):
            self._count["text"] += _text_of(item)
            update = {name: getattr(item, name) for name in item.model_fields_set}
            self._progress = item if self._progress is None else self._progress.model_copy(update=update)
        else:
            self._count["text"] += _text_of(item)
            self._records.setdefault(_FIELDS[type(item)], []).append(item)
            self._count["records"] += 1

    def encode(self, writer: str, number: int) -> bytes:
        """Return the body of the batch."""
        points = list(self._columns.values())
        columns = [Columns(segment=part.segment, key=part.key, count=len(part)) for part in points]
        batch = Batch(writer=writer, number=number, columns=columns, progress=self._progress, **self._records)
        return wire.encode(batch, points)

    def _add_points(self, step: int, at: float, segment: int, values: dict[str, float]) -> None:
        for key, value in values.items():
            part = self._columns.get((segment, key))
            if part is None:
                part = self._columns[segment, key] = wire.MetricPoints(segment, key)
            part.values.append(value)  # first: if it raises for no number, the columns keep one length
            part.steps.append(step)
            part.times.append(at)
        self._count["points"] += len(values)


def _text_of(item: Record) -> int:
    """Return the characters of a record in a batch; a panel counts so many that few panels share a batch.

    Raises ValueError for text that no batch can carry.
    """
    size = len(item.model_dump_json(exclude_defaults=True))
    return max(size, MAX_TEXT // 50) if isinstance(item, PanelMade) else size
