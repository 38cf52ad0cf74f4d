"""Merges what several folders of one run hold into the order of arrival, with little of each folder in memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from keepbest.foreign.foreign_run import Part, Points, Resumption
from keepbest.foreign.tensorboard.event_folder import Timed


class _Stream:
    """What was read of one folder and not yet passed on."""

    def __init__(self, pieces: Iterator[list[Timed]]) -> None:
        self._pieces = pieces
        self._held: list[Timed] = []
        #: The moment up to which everything of this folder is known.
        self.known = float("-inf")

    def fill(self) -> bool:
        """Read on if nothing is held; return whether anything is."""
        while not self._held:
            piece = next(self._pieces, None)
            if piece is None:
                return False
            self._held = piece
            self.known = max((_last(at, part) for at, part in piece), default=self.known)
        return True

    def take(self, until: float) -> Iterator[Part]:
        """Yield what arrived up to a moment. Each metric stays in its order, whatever its clock says."""
        held, self._held = self._held, []
        for place, (at, part) in enumerate(held):
            if isinstance(part, Resumption) and at > until:
                self._held.extend(held[place:])  # what lies behind it stays behind it
                return
            if not isinstance(part, Points):
                yield part
                continue
            count = int(np.searchsorted(np.maximum.accumulate(part.times), until, side="right"))
            if count:
                yield _slice(part, slice(count))
            if count < len(part):
                rest = _slice(part, slice(count, None))
                self._held.append((float(rest.times[0]), rest))


def merge(folders: Sequence[Iterator[list[Timed]]]) -> Iterator[Part]:
    """Yield the parts of all folders in order of arrival."""
    streams = [_Stream(pieces) for pieces in folders]
    while streams := [stream for stream in streams if stream.fill()]:
        until = min(stream.known for stream in streams)
        for stream in streams:
            yield from stream.take(until)


def _last(at: float, part: Part) -> float:
    return float(part.times.max()) if isinstance(part, Points) else at


def _slice(points: Points, chosen: slice) -> Points:
    return Points(points.key, points.steps[chosen], points.values[chosen], points.times[chosen])
