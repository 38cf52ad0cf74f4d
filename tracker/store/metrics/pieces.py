"""Pieces of a curve: its points cut where the living path left a segment, and thinned to as many as are asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tracker.store.metrics.chunks import PointColumns
from tracker.store.metrics.downsample import thin
from tracker.store.segments import LivingPath

#: Points that each piece of a curve keeps, however short its share, while there are enough points for all pieces.
_LEAST = 8


@dataclass(frozen=True, slots=True)
class Piece:
    """Points of one segment, in order of step, that are all alive or all ghosts."""

    segment: int
    ghost: bool
    points: PointColumns


def clip(points: PointColumns, first: int | None, last: int | None) -> PointColumns:
    """Return the points from one step to another, both included, in order of step."""
    ordered = points.in_order()
    start = 0 if first is None else int(np.searchsorted(ordered.steps, first))
    end = len(ordered) if last is None else int(np.searchsorted(ordered.steps, last, side="right"))
    return ordered.take(slice(start, end))


def split(segment: int, points: PointColumns, path: LivingPath) -> list[Piece]:
    """Cut a segment where the living path left it."""
    if segment not in path.ends:
        parts = [Piece(segment, True, points)]
    elif (end := path.ends[segment]) is None:
        parts = [Piece(segment, False, points)]
    else:
        cut = int(np.searchsorted(points.steps, end, side="right"))
        alive, ghost = points.take(slice(None, cut)), points.take(slice(cut, None))
        parts = [Piece(segment, False, alive), Piece(segment, True, ghost)]
    return [part for part in parts if len(part.points)]


def thin_pieces(pieces: Sequence[Piece], max_points: int, keep: int | None) -> list[Piece]:
    """Return the pieces with at most `max_points` points in all; the point at step `keep` stays.

    Each piece gets its share, and a few points in any case. Where there are more pieces than points, the living and
    the longest pieces stay.
    """
    if sum(len(piece.points) for piece in pieces) <= max_points:
        return list(pieces)
    chosen = _choose_pieces(pieces, max_points, keep)
    total = sum(len(piece.points) for piece in chosen)
    least = min(_LEAST, max_points // len(chosen))
    rest = max_points - least * len(chosen)
    return [_thin_piece(piece, least + rest * len(piece.points) // total, keep) for piece in chosen]


def _choose_pieces(pieces: Sequence[Piece], most: int, keep: int | None) -> list[Piece]:
    if len(pieces) <= most:
        return list(pieces)

    def rank(place: int) -> tuple[bool, bool, int]:
        piece = pieces[place]
        lacks_best = keep is None or piece.ghost or keep not in piece.points.steps
        return lacks_best, piece.ghost, -len(piece.points)

    return [pieces[place] for place in sorted(sorted(range(len(pieces)), key=rank)[:most])]


def _thin_piece(piece: Piece, most: int, keep: int | None) -> Piece:
    points = piece.points
    kept = None if keep is None else np.flatnonzero(points.steps == keep)[:1]
    return Piece(piece.segment, piece.ghost, points.take(thin(points.values, most, kept)))
