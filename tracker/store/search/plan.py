"""The way to the runs that match: driven by a selective condition, or walked in the order of the list.

Both ways are statements on one table each, so that SQLite and Postgres do the same:

- Driven: the runs that selective conditions name together (`drive`) are checked for the scope, and for the filter
  where the indexes do not answer all of it, then put in order.
- Walked: a piece of the list's order is read from its index and checked for the filter, then the next, larger piece.

A walk reads about `limit * runs / matches` runs and a drive reads `matches`; so up to `sqrt(limit * runs)` matches the
drive reads less.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, func, select

from keepbest.query.terms import Term
from tracker.models import RunTable
from tracker.store.search.compile import compile_term
from tracker.store.search.drive import Driver
from tracker.store.search.scope import Scope
from tracker.store.search.sorts import Stretch

#: Matches that a drive reads where there are few runs.
_LEAST_BOUND = 500
#: Runs that a walk reads at first, by runs that are wanted; how much more each time, and at once, at most.
_FIRST, _GROWTH, _LARGEST = 4, 8, 8_000
#: Runs are counted up to here.
MAX_COUNT = 10_000


@dataclass(frozen=True, slots=True)
class ListPlace:
    """Where a page ended: in which stretch, at which value, at which run."""

    stretch: int
    value: Any
    pk: int


class Plan:
    """How the runs of one scope that a filter means are found."""

    def __init__(self, conn: Connection, scope: Scope, term: Term | None, limit: int) -> None:
        self._conn = conn
        self._scope = scope
        self._condition = None if term is None else compile_term(term, is_sqlite=scope.is_sqlite)
        self._matches = self._drive(term, limit)

    def read(self, stretches: Sequence[Stretch], after: ListPlace | None, limit: int) -> list[ListPlace]:
        """Return the places of the next runs of the list, at most `limit` of them."""
        places: list[ListPlace] = []
        first = after.stretch if after else 0
        for number, stretch in enumerate(stretches):
            if number < first or len(places) >= limit:
                continue
            seek = (after.value, after.pk) if after and number == first else None
            rows = self._read(stretch, seek, limit - len(places))
            places += [ListPlace(number, row.value, row.pk) for row in rows]
        return places

    def count(self) -> tuple[int, bool]:
        """Return how many runs match, and whether there are as many or more."""
        if self._matches is not None:
            return len(self._matches), False
        counted = 0
        if self._condition is None:
            some = select(RunTable.pk).where(*self._scope.holds()).limit(MAX_COUNT + 1).subquery()
            counted = self._conn.execute(select(func.count()).select_from(some)).scalar_one()
        else:
            newest = Stretch(RunTable.pk, None, int, True, (), self._scope.holds())
            for rows in self._walk(newest, None, MAX_COUNT):
                counted += len(rows)
                if counted > MAX_COUNT:
                    break
        return min(counted, MAX_COUNT), counted > MAX_COUNT

    def list_all(self, most: int, *, before: int | None = None) -> tuple[list[int], bool]:
        """Return the numbers of at most so many matching runs, the newest first, and whether there are more.

        With `before`, only those with a lower number are listed.
        """
        newest = Stretch(RunTable.pk, None, int, True, (), self._scope.holds())
        places = self.read([newest], None if before is None else ListPlace(0, None, before), most + 1)
        return [place.pk for place in places[:most]], len(places) > most

    def _drive(self, term: Term | None, limit: int) -> list[int] | None:
        if term is None:
            return None
        bound = max(_LEAST_BOUND, math.isqrt(limit * self._scope.runs))
        driven = Driver(self._conn, self._scope, bound).find(term)
        if driven is None:
            return None
        return sorted(self._check(list(driven.pks), None if driven.is_exact else self._condition))

    def _read(self, stretch: Stretch, seek: tuple[Any, int] | None, limit: int) -> list[Any]:
        if self._matches is not None:
            if not self._matches:
                return []
            among = self._scope.among(stretch.pk, self._matches)
            return list(self._conn.execute(stretch.choose(among, seek).limit(limit)))
        rows: list[Any] = []
        for piece in self._walk(stretch, seek, limit):
            rows += piece
            if len(rows) >= limit:
                break
        return rows[:limit]

    def _walk(self, stretch: Stretch, seek: tuple[Any, int] | None, limit: int) -> Iterator[list[Any]]:
        """Yield the matching rows of piece after piece of the order, each as large as the next page likely needs."""
        size = limit if self._condition is None else min(_FIRST * limit, _LARGEST)
        read, seen = 0, 0
        while True:
            piece = self._conn.execute(stretch.walk(seek).limit(size)).all()
            matches = self._check([row.pk for row in piece], self._condition)
            yield [row for row in piece if row.pk in matches]
            if len(piece) < size:
                return
            seek = (piece[-1].value, piece[-1].pk)
            read, seen = read + len(piece), seen + len(matches)
            likely = (limit - seen) * read // max(seen, 1) * 5 // 4
            size = max(limit, min(likely, _GROWTH * size, _LARGEST))

    def _check(self, pks: Sequence[int], condition: ColumnElement[bool] | None) -> set[int]:
        """Return which of these runs are in the scope and meet the condition."""
        if not pks:
            return set()
        conditions: list[ColumnElement[bool]] = [self._scope.among(RunTable.pk, pks), *self._scope.holds()]
        if condition is not None:
            conditions.append(condition)
        return set(self._conn.execute(select(RunTable.pk).where(*conditions)).scalars().all())
