"""A curve in the terminal, in Braille letters of 2 by 4 dots; in plain letters where the terminal has no others."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from keepbest.figures import figure

#: The bit of each dot of a Braille letter, by row and column.
_BITS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
_BRAILLE = 0x2800
_PLAIN = "*"
_MARKS = {True: ("●", "✗"), False: ("O", "x")}
LABEL = 11
#: Digits of a label: the longest of them fits.
DIGITS = 4

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Plot:
    """The size of a drawing in letters, labels left out, and whether Braille can be shown."""

    width: int = 72
    height: int = 15
    has_braille: bool = True

    def draw(self, points: Sequence[Point], best: Point | None = None) -> list[str]:
        """Return the lines of the drawing: values over steps, the best marked, a cross where a value is not finite.

        Args:
            points: (step, value) in the order of the steps.
            best: The point to mark.

        >>> for line in Plot(width=4, height=2, has_braille=False).draw([(0, 0.0), (10, 1.0)]): print(line)
                  1 ┤  **
                  0 ┤**
                    └────
                     0 10
        """
        finite = [(x, y) for x, y in points if math.isfinite(y)]
        if not finite:
            return []
        scale = _Scale.around(points, finite, self)
        rows = self._fill(scale, finite)
        best_mark, lost_mark = _MARKS[self.has_braille]
        for x, y in points:
            if not math.isfinite(y):
                rows[-1][scale.column(x) // 2] = lost_mark
        if best is not None and math.isfinite(best[1]):
            rows[scale.row(best[1]) // 4][scale.column(best[0]) // 2] = best_mark
        return [*self._label(scale, rows), *self._axis(scale)]

    def _fill(self, scale: _Scale, points: Sequence[Point]) -> list[list[str]]:
        bits = [[0] * self.width for _ in range(self.height)]
        for column, row in _trace([(scale.column(x), scale.row(y)) for x, y in points]):
            bits[row // 4][column // 2] |= _BITS[row % 4][column % 2]
        return [[self._letter(cell) for cell in line] for line in bits]

    def _letter(self, bits: int) -> str:
        if not bits:
            return " "
        return chr(_BRAILLE + bits) if self.has_braille else _PLAIN

    def _label(self, scale: _Scale, rows: Sequence[Sequence[str]]) -> Iterator[str]:
        """Put values at the top, the middle and the bottom."""
        shown = {0: scale.high, (self.height - 1) // 2: scale.middle(self.height), self.height - 1: scale.low}
        for place, row in enumerate(rows):
            label = figure(shown[place], DIGITS) if place in shown else ""
            yield f"{label:>{LABEL}} {'┤' if label else '│'}{''.join(row)}".rstrip()

    def _axis(self, scale: _Scale) -> Iterator[str]:
        begin, end = (f"{step:,.0f}" for step in (scale.first, scale.last))
        yield f"{'':>{LABEL}} └{'─' * self.width}"
        yield f"{'':>{LABEL}}  {begin}{end:>{max(len(end) + 1, self.width - len(begin))}}"


@dataclass(frozen=True, slots=True)
class _Scale:
    """Where a step and a value lie among the dots."""

    first: float
    last: float
    low: float
    high: float
    columns: int
    rows: int

    @classmethod
    def around(cls, points: Sequence[Point], finite: Sequence[Point], plot: Plot) -> _Scale:
        values = [y for _, y in finite]
        return cls(points[0][0], points[-1][0], min(values), max(values), plot.width * 2, plot.height * 4)

    def column(self, x: float) -> int:
        return self._place(x, self.first, self.last, self.columns)

    def row(self, y: float) -> int:
        """The rows count from the top."""
        return self.rows - 1 - self._place(y, self.low, self.high, self.rows)

    def middle(self, height: int) -> float:
        """The value at the middle line."""
        return self.high - (self.high - self.low) * ((height - 1) // 2) / max(1, height - 1)

    @staticmethod
    def _place(value: float, low: float, high: float, count: int) -> int:
        half = high / 2 - low / 2  # halves: the range may be the largest float; half of the smallest one is 0
        share = (value / 2 - low / 2) / half if half else 0.5
        return min(count - 1, max(0, round(share * (count - 1))))


def _trace(places: Sequence[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Yield the dots of a line through the places."""
    before = places[0]
    yield before
    for place in places[1:]:
        steps = max(abs(place[0] - before[0]), abs(place[1] - before[1]))
        for step in range(1, steps + 1):
            share = step / steps
            yield tuple(round(a + (b - a) * share) for a, b in zip(before, place, strict=True))  # type: ignore[misc]
        before = place
