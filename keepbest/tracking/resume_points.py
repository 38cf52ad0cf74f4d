"""Which checkpoints a next attempt may go on from, as far as this process can know: they stay on disk.

The tracker chooses, and it hears of a checkpoint up to a moment after it is written. A process that is killed in that
moment, with its journal on another machine, leaves a tracker that names the one before; it has to be there still.
"""

from __future__ import annotations

from keepbest.contract.batches import BatchReceipt


class ResumePoints:
    """What the tracker may have heard of since the checkpoint that it last named, that one first."""

    def __init__(self) -> None:
        self._start: str | None = None
        self._told: list[str] = []
        self._heard = 0  # so many of them may have reached the tracker

    def begin_at(self, checkpoint: str) -> None:
        """Note where the tracker had this process go on: it names that one until it answers with another."""
        self._start = checkpoint

    def tell(self, checkpoint: str) -> None:
        """Note what is being told: a checkpoint that is on disk, or one that a segment begins at."""
        self._told.append(checkpoint)

    def find(self, receipt: BatchReceipt | None, *, is_away: bool) -> list[str]:
        """Return the ids, given the tracker's newest answer.

        While the tracker is away it learns of nothing, and disks are not filled for it: what is told then is left out.
        """
        if not is_away:
            self._heard = len(self._told)
        named = (receipt.resume_checkpoint if receipt is not None else None) or self._start
        if named in self._told:
            self._forget(self._told.index(named))
        known = self._told[: self._heard]
        return known if named is None or named in known else [named, *known]

    def _forget(self, count: int) -> None:
        del self._told[:count]
        self._heard = max(0, self._heard - count)
