"""Decides when to write the present state besides the bests (Keras' `save_freq`), so that a crash costs little."""

from __future__ import annotations

from typing import Literal

from keepbest.errors import InvalidInput


class SaveFrequency:
    """Counts the steps since the last written state. `every` is "epoch", a number of batches, or None for never."""

    def __init__(self, every: Literal["epoch"] | int | None) -> None:
        is_number = isinstance(every, int) and not isinstance(every, bool) and every > 0
        if every not in (None, "epoch") and not is_number:
            raise InvalidInput(f"save_freq is 'epoch' or a number of batches, but got {every!r}.", field="save_freq")
        self._every = every
        self._saved = 0

    def begin(self, step: int) -> None:
        """Count from this step, whose state is written already or not needed."""
        self._saved = step

    def is_due(self, step: int, best_step: int | None, *, ends_epoch: bool) -> bool:
        """Whether to write the state of this step now, unless it is the best, which is written already."""
        if step < self._saved or step == best_step:  # training rolled back, or the best is written
            self._saved = step
        if self._every == "epoch":
            is_due = ends_epoch and step > self._saved
        else:
            is_due = self._every is not None and step - self._saved >= self._every
        if is_due:
            self._saved = step
        return is_due
