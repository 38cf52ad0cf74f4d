"""Runs a user's callbacks before the training loop, which judges last, with the validation's metrics in their logs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import keras


class Measuring(Protocol):
    """The part of the training loop that `Brought` needs."""

    @property
    def is_validation_due(self) -> bool: ...

    def foresee(self, logs: Any) -> None: ...


class Brought(keras.callbacks.Callback):  # type: ignore[misc]  # Keras ships no types
    """Passes every hook on. An epoch is a whole stretch between two validations, never an interrupted one."""

    def __init__(self, loop: Measuring, callbacks: Sequence[Any]) -> None:
        super().__init__()
        self._loop = loop
        self._callbacks = list(callbacks)
        self._list = keras.callbacks.CallbackList(self._callbacks)

    def set_model(self, model: Any) -> None:
        super().set_model(model)
        self._list.set_model(model)

    def set_params(self, params: Any) -> None:
        super().set_params(params)
        self._list.set_params(params)

    def on_train_begin(self, logs: Any = None) -> None:
        self._list.on_train_begin(logs)

    def on_train_end(self, logs: Any = None) -> None:
        self._list.on_train_end(logs)

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        self._list.on_train_batch_begin(batch, logs)

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self._list.on_train_batch_end(batch, logs)

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self._list.on_epoch_begin(epoch, logs)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        if self._loop.is_validation_due and logs is not None:
            self._loop.foresee(logs)
            for callback in self._callbacks:
                callback.on_epoch_end(epoch, logs)  # `CallbackList` passes a copy, and would lose what callbacks add
