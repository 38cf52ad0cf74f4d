"""Functions of SQL that read packed points: step, value and time of the i-th point of a chunk."""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Callable

from tracker.store.metrics import chunks

_NAMES = ("point_step", "point_value", "point_time")


class PointReader:
    """Unpacks one chunk at a time, over a connection of its own: a chunk's points are asked for one after another."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._pk: int | None = None
        self._columns: tuple[list[int], list[float | str], list[float]] = ([], [], [])

    def register(self, connection: sqlite3.Connection) -> None:
        """Give a connection the functions point_step, point_value and point_time."""
        for place, name in enumerate(_NAMES):
            connection.create_function(name, 2, self._make(place), deterministic=True)

    def _make(self, place: int) -> Callable[[int, int], int | float | str]:
        def read(pk: int, number: int) -> int | float | str:
            if pk != self._pk:
                self._load(pk)
            return self._columns[place][number]

        return read

    def _load(self, pk: int) -> None:
        query = "SELECT data, encoding, count FROM metric_chunks WHERE pk = ?"
        data, encoding, count = self._connection.execute(query, (pk,)).fetchone()
        points = chunks.decode(data, encoding, count)
        # SQLite has no NaN: the tables have the text, too.
        values = ["NaN" if math.isnan(value) else value for value in points.values.tolist()]
        self._columns, self._pk = (points.steps.tolist(), values, points.times.tolist()), pk
