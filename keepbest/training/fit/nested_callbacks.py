"""A Keras callback that carries other callbacks: it passes every hook on to them before it acts itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from keepbest.model.backend import check_backend
from keepbest.snapshots.carried_state import CarriedState
from keepbest.training.fit.swapped_weights import Swaps

check_backend()  # before Keras imports a library that may not be installed

import keras  # noqa: E402

Logs = Mapping[str, Any] | None


class Carrying(keras.callbacks.Callback):  # type: ignore[misc]  # Keras ships no types
    """Passes on the hooks that Keras calls in training and validation. An overriding hook calls `super` first."""

    #: Whether this training had a `fit` before. Keras' callbacks reset themselves at each `fit`, and these must not.
    goes_on = False
    #: Gets the hooks too, after the carried callbacks: it notices weights that others swap in for a validation.
    swaps: Swaps | None = None

    def __init__(self, callbacks: Sequence[Any] = ()) -> None:
        super().__init__()
        self.carried = CarriedState(callbacks)

    def set_model(self, model: Any) -> None:
        super().set_model(model)
        self._hand_on("set_model", model)

    def set_params(self, params: Any) -> None:
        super().set_params(params)
        self._hand_on("set_params", params)

    def on_train_begin(self, logs: Logs = None) -> None:
        before = self.carried.capture()
        self._hand_on("on_train_begin", logs)
        if self.goes_on:
            self.carried.restore(before)
        self.goes_on = True

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        self._hand_on("on_epoch_begin", epoch, logs)

    def on_train_batch_begin(self, batch: int, logs: Logs = None) -> None:
        self._hand_on("on_train_batch_begin", batch, logs)

    def on_train_batch_end(self, batch: int, logs: Logs = None) -> None:
        self._hand_on("on_train_batch_end", batch, logs)

    def on_test_begin(self, logs: Logs = None) -> None:
        self._hand_on("on_test_begin", logs)

    def on_test_batch_begin(self, batch: int, logs: Logs = None) -> None:
        self._hand_on("on_test_batch_begin", batch, logs)

    def on_test_end(self, logs: Logs = None) -> None:
        self._hand_on("on_test_end", logs)

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        self._hand_on("on_epoch_end", epoch, logs)

    def on_train_end(self, logs: Logs = None) -> None:
        self._hand_on("on_train_end", logs)

    def _hand_on(self, hook: str, *arguments: Any) -> None:
        for callback in self.carried.callbacks:
            getattr(callback, hook)(*arguments)
        if self.swaps is not None and hasattr(self.swaps, hook):
            getattr(self.swaps, hook)(*arguments)
