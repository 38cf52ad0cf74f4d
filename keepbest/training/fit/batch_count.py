"""How many batches an epoch of Keras' has trained: with `steps_per_execution` it tells numbers past the end."""

from __future__ import annotations

from typing import Any


class BatchCounter:
    """Counts the batches of one epoch; `steps` is how many it has, None where Keras does not know."""

    def __init__(self, model: Any, steps: int | None) -> None:
        self.steps = steps
        self._at_once = int(getattr(model, "steps_per_execution", None) or 1)
        self._iterations = _find_iterations(model) if steps is None and self._at_once > 1 else None
        self._began = self._read()

    def count(self, batch: int) -> int:
        """Return how many are trained when Keras tells the end of number `batch`, counted from 0."""
        told = batch + 1
        if self.steps is not None:
            return min(told, self.steps)
        made = self._read() - self._began
        # The optimizer knows; where it tells otherwise (a step that overflowed, a roll back), Keras is believed.
        return made if self._iterations is not None and told - self._at_once < made <= told else told

    def _read(self) -> int:
        return int(self._iterations.numpy()) if self._iterations is not None else 0


def _find_iterations(model: Any) -> Any:
    """Return what counts batches in the optimizer, also where gradients of several are summed up."""
    optimizer = getattr(model, "optimizer", None)
    return getattr(getattr(optimizer, "inner_optimizer", optimizer), "_iterations", None)
