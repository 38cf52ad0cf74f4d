"""Which changes a checkpoint holds already, by the segments that it descends from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from keepbest.contract.checkpoints import Checkpoint
from keepbest.contract.overrides import Overrides
from keepbest.tracking.history import SegmentInfo


def leave_out_made(
    asked: Overrides | None, segments: Sequence[SegmentInfo], *, wanted: Checkpoint, taken: int
) -> Overrides | None:
    """Return what is left to change where another checkpoint than the wanted one is taken, one of segment `taken`.

    A multiple of the learning rate is of what it was at the wanted checkpoint. It is left out where the one that is
    taken descends from a segment that was opened with that very change at the wanted checkpoint, or after it: an
    attempt before this one made it there.
    """
    if asked is None or asked.learning_rate is None:
        return asked
    for one in _ancestors(segments, taken):
        is_later = one.number > wanted.segment or one.checkpoint == wanted.id  # a fork's first segment is numbered 0
        if is_later and one.overrides is not None and one.overrides.learning_rate == asked.learning_rate:
            return asked.model_copy(update={"learning_rate": None})
    return asked


def _ancestors(segments: Sequence[SegmentInfo], number: int | None) -> Iterator[SegmentInfo]:
    """Yield a segment and those that it branched off from; each once, whatever they say."""
    known = {segment.number: segment for segment in segments}
    while number is not None and (found := known.pop(number, None)) is not None:
        yield found
        number = found.parent
