"""Which checkpoints a next attempt may go on from, as far as this process knows. They stay on disk.

The tracker chooses the checkpoint, and it learns of a new one a moment after the file is written. If the process is
killed in between, with its journal on another machine, the tracker names the checkpoint before, which must still exist.
"""

from __future__ import annotations

from keepbest.contract.batches import BatchReceipt


class ResumePoints:
    """The checkpoints from the last one that the tracker named up to the newest that it may know."""

    def __init__(self) -> None:
        self._start: str | None = None
        self._reported: list[str] = []
        self._received = 0  # how many of the reported ones may have reached the tracker

    def begin_at(self, checkpoint: str) -> None:
        """Note the checkpoint that this process resumes from; it counts until the tracker names another."""
        self._start = checkpoint

    def add(self, checkpoint: str) -> None:
        """Note a checkpoint that is being reported: it is on disk, or a segment begins at it."""
        self._reported.append(checkpoint)

    def find(self, receipt: BatchReceipt | None, *, is_away: bool) -> list[str]:
        """Return the ids, given the tracker's newest answer.

        While the tracker is away it learns nothing, so newer checkpoints are left out and do not fill the disk.
        """
        if not is_away:
            self._received = len(self._reported)
        named = (receipt.resume_checkpoint if receipt is not None else None) or self._start
        if named in self._reported:
            older = self._reported.index(named)
            del self._reported[:older]
            self._received = max(0, self._received - older)
        known = self._reported[: self._received]
        return known if named is None or named in known else [named, *known]
