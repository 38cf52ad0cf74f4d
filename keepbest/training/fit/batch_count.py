"""Counts the batches that an epoch of Keras has trained: with `steps_per_execution` Keras passes too large numbers."""

from __future__ import annotations

from typing import Any

from keepbest.snapshots.averages import innermost


class BatchCounter:
    """Counts the batches of one epoch; `steps` is the number that it has, or None if Keras does not know."""

    def __init__(self, model: Any, steps: int | None) -> None:
        self.steps = steps
        self._at_once = int(getattr(model, "steps_per_execution", None) or 1)
        #: The optimizer's counter of batches, which counts each batch even if it sums up the gradients of several.
        self._iterations: Any = None
        if steps is None and self._at_once > 1:
            self._iterations = getattr(innermost(getattr(model, "optimizer", None)), "_iterations", None)
        self._began = self._read()

    def count(self, batch: int) -> int:
        """Return how many batches are trained when Keras ends the one with the number `batch`, counted from 0."""
        reported = batch + 1
        if self.steps is not None:
            return min(reported, self.steps)
        trained = self._read() - self._began
        # The optimizer knows best. After a step that overflowed, or a roll back, its number is off: then Keras counts.
        is_plausible = self._iterations is not None and reported - self._at_once < trained <= reported
        return trained if is_plausible else reported

    def _read(self) -> int:
        return int(self._iterations.numpy()) if self._iterations is not None else 0
