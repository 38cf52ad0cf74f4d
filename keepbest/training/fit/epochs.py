"""Epochs of a `fit` whose state came from disk: it begins where its checkpoint says, and ends where it was to end."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import Any

from keepbest.snapshots.state import Position

_log = logging.getLogger("keepbest")


class ResumedEpoch:
    """Has the `fit` of `model` that is about to begin start with the epoch of `position`.

    Keras has a private word for it, which counts over `fit(initial_epoch=…)`, unless it is 0. It is taken back once
    Keras has read it, `BackupAndRestore`'s too, which does not do that: a later `fit` begins anew.
    """

    def __init__(self, model: Any, position: Position) -> None:
        self._model, self._epoch = model, position.epoch
        model._initial_epoch = position.epoch

    def settle(self, epoch: int, position: Position, steps: int | None) -> Position:
        """Return where training is, now that Keras begins `epoch`, of `steps` batches.

        `BackupAndRestore` behind `KeepBest` in fit's list has put its own, later weights into the model, and said its
        own epoch: then training goes on from there.
        """
        withdraw = self.withdraw()
        if withdraw != epoch or epoch == self._epoch:
            return position
        _log.warning(
            "keepbest: another callback (BackupAndRestore) has put the weights of epoch %d over the checkpoint's, of "
            "epoch %d: training goes on from there, and epochs between are not judged again. Put it before KeepBest "
            "in fit's list, or leave it out: KeepBest goes on by itself.",
            epoch,
            self._epoch,
        )
        return replace(position, step=position.step + (epoch - self._epoch) * (steps or 0))

    def withdraw(self) -> int | None:
        """Have later fits begin as if nothing had been said; return what was said last."""
        answer, self._model._initial_epoch = self._model._initial_epoch, None
        return int(answer) if answer is not None else None
