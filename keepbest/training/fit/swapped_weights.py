"""Reads the weights that a validation of Keras' `fit` measures when another callback swaps them in.

Keras' `SwapEMAWeights`, and callbacks of users, put averages into the model when a validation begins, and the weights
back when it ends, or do so from the end of an epoch to the beginning of the next. This module reads the measured values
when the validation's first batch begins: by then all callbacks have acted. A state holds them beside the values with
which training goes on. If no other callback can swap, this module reads nothing.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from keepbest.snapshots.averages import find_averages, with_measured
from keepbest.snapshots.snapshot import VariableSet
from keepbest.snapshots.state import State

_HOOKS = ("on_test_begin", "on_test_end", "on_test_batch_begin", "on_epoch_begin", "on_epoch_end")
#: The attribute that tells whether the averages of a SwapEMAWeights are in the model; Keras has no public one.
_FLAG = "_ema_weights_in_model"


class Swaps:
    """Follows one fit. Its hooks run after those of the carried callbacks; `find` returns the variables."""

    def __init__(self, carried: Sequence[Any], find: Callable[[], VariableSet | None]) -> None:
        self._carried, self._find = carried, find
        self._others: Sequence[Any] = carried
        self._may_swap = False
        self._is_awaited = self._is_between = self._is_last = False
        self._params: Mapping[str, Any] = {}
        #: All values when the validation's first batch began, and all values of training before a last swap.
        self._measured: Sequence[Any] | None = None
        self._after: Sequence[Any] | None = None

    # What Keras calls

    def set_params(self, params: Mapping[str, Any] | None) -> None:
        self._params = params or {}

    def on_train_begin(self, logs: Any = None) -> None:
        """Find the other callbacks of the fit."""
        others = _find_others(self)
        self._others = [*self._carried, *(others or ())]
        self._may_swap = others is None or any(_may_swap(item) for item in self._others)
        self.on_epoch_begin()

    def on_epoch_begin(self, epoch: int = 0, logs: Any = None) -> None:
        self._is_awaited = self._is_between = False
        self._measured = self._after = None
        self._is_last = epoch + 1 == self._params.get("epochs") and self._by_epochs

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Read the values after the last step: at the end of the last epoch the averages replace them."""
        if self._is_last and batch + 1 >= (self._params.get("steps") or 0):
            self._read_raw()

    def on_test_begin(self, logs: Any = None) -> None:
        self._is_awaited = self._may_swap

    def on_test_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Read the measured values at the validation's first batch."""
        if self._is_awaited and (living := self._find()) is not None:
            self._measured, self._is_awaited = living.read(), False

    def on_test_end(self, logs: Any = None) -> None:
        if self._by_epochs:
            self._read_raw()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Note that the epoch's callbacks act now: some have swapped already, others will."""
        self._is_between = True

    # States and puts

    def complete(self, state: State, model: Any) -> State:
        """Return `state` with the values with which training goes on, and beside them the measured ones that differ."""
        if not self._may_swap:
            return state
        measured = self._measured
        if measured is None and self._is_between and self._is_swapped:  # a callback before ours could measure these
            measured = state.values
        state = self._unswap(state, model)
        if measured is None:
            return state
        count = len(measured)
        pairs = enumerate(zip(state.specs[:count], state.values[:count], measured, strict=True))
        other = {at: new for at, (spec, old, new) in pairs if spec.collection == "model" and _differ(old, new)}
        return with_measured(state, other) if other else state

    def note_put(self) -> None:
        """Note that a state was put into the model: the swappers must not swap its values for older ones."""
        for swapper in self._swappers:
            setattr(swapper, _FLAG, False)

    def _read_raw(self) -> None:
        if not self._is_swapped and (living := self._find()) is not None:
            self._after = living.read()

    @property
    def _swappers(self) -> list[Any]:
        return [item for item in self._others if hasattr(item, _FLAG)]

    @property
    def _by_epochs(self) -> bool:
        return any(getattr(swapper, "swap_on_epoch", False) for swapper in self._swappers)

    @property
    def _is_swapped(self) -> bool:
        return any(getattr(swapper, _FLAG) for swapper in self._swappers)

    def _unswap(self, state: State, model: Any) -> State:
        """Return the values with which the next epoch begins under SwapEMAWeights(swap_on_epoch=True).

        It swaps by sums, which round, and at the last epoch it replaces the weights by the averages.
        """
        if not self._is_between or not self._by_epochs:
            return state
        source, values = self._after or state.values, list(state.values)
        once = self._after is None and self._is_swapped
        for place, average in find_averages(model).items():
            pair = _swap(source[place], source[average])
            values[place], values[average] = pair if once else _swap(*pair)
        callbacks = {
            name: {**kept, _FLAG: False} if isinstance(kept, dict) and _FLAG in kept else kept
            for name, kept in state.callbacks.items()
        }
        return replace(state, values=tuple(values), callbacks=callbacks)


def _find_others(swaps: Swaps) -> list[Any] | None:
    """Return the callbacks beside ours, or None if unknown. Keras does not pass them on, but its list calls us."""
    import keras

    frame = sys._getframe(1)  # the only way to the list
    while frame.f_back is not None:
        frame = frame.f_back
        caller = frame.f_locals.get("self")
        if isinstance(caller, keras.callbacks.CallbackList):
            others = [callback for callback in caller.callbacks if getattr(callback, "swaps", None) is not swaps]
            return others if len(others) < len(caller.callbacks) else None
    return None


def _may_swap(callback: Any) -> bool:
    """Whether a callback can put other weights into the model for a validation; two of Keras' own can."""
    import keras

    kind = type(callback)
    if kind.__module__.startswith("keras.") and not hasattr(callback, _FLAG):
        return isinstance(callback, keras.callbacks.LambdaCallback)
    base = keras.callbacks.Callback
    return any(getattr(kind, hook, None) is not getattr(base, hook) for hook in _HOOKS)


def _swap(weight: Any, average: Any) -> tuple[Any, Any]:
    """Return weight and average as SwapEMAWeights exchanges them."""
    total = weight + average
    average = total - average
    return total - average, average


def _differ(item: Any, other: Any) -> bool:
    """Whether two tensors differ in any bit. Mostly they share their memory."""
    import numpy as np

    first, second = np.asarray(item), np.asarray(other)
    if first.__array_interface__["data"] == second.__array_interface__["data"]:
        return False
    return bool(first.dtype.kind in "fcV" and first.tobytes() != second.tobytes())
