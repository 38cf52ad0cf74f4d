"""Makes a resumed `fit` begin with the epoch of its checkpoint, and end where it was to end."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import Any

from keepbest.snapshots.state import Position

_log = logging.getLogger("keepbest")


class ResumedEpoch:
    """Makes the `fit` of `model` that is about to begin start with the epoch of `position`.

    Keras has a private attribute for this, which overrides `fit(initial_epoch=…)` unless it is 0. This object clears
    the attribute once Keras has read it, also if `BackupAndRestore` has set it: a later `fit` begins anew.
    """

    def __init__(self, model: Any, position: Position) -> None:
        self._model, self._epoch = model, position.epoch
        model._initial_epoch = position.epoch

    def settle(self, epoch: int, position: Position, steps: int | None) -> Position:
        """Return the position of training, now that Keras begins `epoch`, of `steps` batches.

        `BackupAndRestore` after `KeepBest` in fit's list puts its own, later weights into the model, and sets its own
        epoch: then training goes on from there.
        """
        if self.withdraw() != epoch or epoch == self._epoch:
            return position
        _log.warning(
            "keepbest: another callback (BackupAndRestore) has replaced the checkpoint's weights by those of epoch %d "
            "(the checkpoint has epoch %d): training goes on from there, and epochs between are not judged again. Put "
            "it before KeepBest in fit's list, or leave it out: KeepBest goes on by itself.",
            epoch,
            self._epoch,
        )
        return replace(position, step=position.step + (epoch - self._epoch) * (steps or 0))

    def withdraw(self) -> int | None:
        """Clear Keras' attribute for later fits; return its last value."""
        last, self._model._initial_epoch = self._model._initial_epoch, None
        return int(last) if last is not None else None
