"""What a validation of Keras' `fit` measures, where another callback swaps other weights in for it.

Keras' `SwapEMAWeights`, and callbacks of people's own, put averages into the model when a validation begins, and the
weights back when it ends, or from the end of an epoch to the begin of the next. What was measured is read when the
first batch of the validation begins: all callbacks have done their part by then. It is kept beside what training goes
on with. Where no other callback could swap, nothing is read.
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
#: Says of a SwapEMAWeights whether its averages are in the model; Keras offers nothing else to ask.
_FLAG = "_ema_weights_in_model"


class Swaps:
    """Follows one fit. Each hook is called after those of the callbacks that go along; `find` returns the variables."""

    def __init__(self, carried: Sequence[Any], find: Callable[[], VariableSet | None]) -> None:
        self._carried, self._find = carried, find
        self._others: Sequence[Any] = carried
        self._may_swap = False
        self._is_awaited = self._is_between = self._is_last = False
        self._params: Mapping[str, Any] = {}
        #: All values when the validation's first batch began, and what training had come to before a last swap.
        self._measured: Sequence[Any] | None = None
        self._after: Sequence[Any] | None = None

    # What Keras calls

    def set_params(self, params: Mapping[str, Any] | None) -> None:
        self._params = params or {}

    def on_train_begin(self, logs: Any = None) -> None:
        """Find out who else is called."""
        result = _find_others(self)
        self._others = [*self._carried, *(result or ())]
        self._may_swap = result is None or any(_may_swap(item) for item in self._others)
        self.on_epoch_begin()

    def on_epoch_begin(self, epoch: int = 0, logs: Any = None) -> None:
        self._is_awaited = self._is_between = False
        self._measured = self._after = None
        self._is_last = epoch + 1 == self._params.get("epochs") and self._by_epochs

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Read what the last epoch came to: at its end nothing is left of it."""
        if self._is_last and batch + 1 >= (self._params.get("steps") or 0):
            self._read_raw()

    def on_test_begin(self, logs: Any = None) -> None:
        self._is_awaited = self._may_swap

    def on_test_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Read what the validation measures, at its first batch."""
        if self._is_awaited and (living := self._find()) is not None:
            self._measured, self._is_awaited = living.read(), False

    def on_test_end(self, logs: Any = None) -> None:
        if self._by_epochs:
            self._read_raw()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """The epoch's callbacks are at it: some have swapped already, some will."""
        self._is_between = True

    # What is made of it

    def complete(self, state: State, model: Any) -> State:
        """Return `state` as training goes on with it, and beside it what was measured, where that is something else."""
        if not self._may_swap:
            return state
        measured = self._measured
        if measured is None and self._is_between and self._is_swapped:  # callbacks before ours could measure that
            measured = state.values
        state = self._unswap(state, model)
        if measured is None:
            return state
        count = len(measured)
        pairs = enumerate(zip(state.specs[:count], state.values[:count], measured, strict=True))
        result = {at: new for at, (spec, old, new) in pairs if spec.collection == "model" and _differ(old, new)}
        return with_measured(state, result) if result else state

    def note_put(self) -> None:
        """All values were put into the model: the swappers must not exchange them for those that were there."""
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
        """Return what the next epoch begins with, of a SwapEMAWeights(swap_on_epoch=True): it swaps by sums, which
        round, and at the last epoch it writes the averages over the weights."""
        if not self._is_between or not self._by_epochs:
            return state
        source, values = self._after or state.values, list(state.values)
        once = self._after is None and self._is_swapped
        for place, average in find_averages(model).items():
            pair = _swap(source[place], source[average])
            values[place], values[average] = pair if once else _swap(*pair)
        callbacks = {name: _settled(kept) for name, kept in state.callbacks.items()}
        return replace(state, values=tuple(values), callbacks=callbacks)


def _find_others(swaps: Swaps) -> list[Any] | None:
    """Return the callbacks beside ours; Keras tells a callback nothing of them, but its list is calling us."""
    import keras

    frame = sys._getframe(1)  # there is no other way to the list
    while frame.f_back is not None:
        frame = frame.f_back
        caller = frame.f_locals.get("self")
        if isinstance(caller, keras.callbacks.CallbackList):
            others = [callback for callback in caller.callbacks if getattr(callback, "swaps", None) is not swaps]
            return others if len(others) < len(caller.callbacks) else None
    return None


def _may_swap(callback: Any) -> bool:
    """Whether a callback could put other weights in for a validation; of Keras' own two can."""
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


def _settled(kept: Any) -> Any:
    return {**kept, _FLAG: False} if isinstance(kept, dict) and _FLAG in kept else kept


def _differ(item: Any, other: Any) -> bool:
    """Whether two tensors are not the same to the last bit. Mostly they lie in the same memory."""
    import numpy as np

    first, second = np.asarray(item), np.asarray(other)
    if first.__array_interface__["data"] == second.__array_interface__["data"]:
        return False
    return bool(first.dtype.kind in "fcV" and first.tobytes() != second.tobytes())
