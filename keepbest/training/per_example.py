"""Measures each validation example by itself, for policies that compare validations example by example.

Keras measures sums over batches. So keepbest predicts the examples once more, in their order, and calls the metric's
own function for each: whether it was right, or its loss. If the results do not add up to the measured value, keepbest
does not use them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

from keepbest.errors import InvalidInput
from keepbest.figures import figure
from keepbest.stopping import Correct, Losses, Mode, Pairs, Unpaired
from keepbest.stopping.losses import MAX_EXAMPLES
from keepbest.training.monitor import metrics_of

#: Examples measured at once, as in the tutorial: the number changes only the last bits of the result.
BATCH_SIZE = 256
#: The allowed difference from the measured value: for a mean of float32 losses in parts of it, and for a share.
_TOLERANCE, _SHARE_TOLERANCE = 1e-4, 1e-6
_PENALTIES = "penalties left out"


class ValidationExamples:
    """The validation examples: arrays (x, y), in their order.

    Raises InvalidInput for anything else.
    """

    def __init__(self, part: Any) -> None:
        import keras

        if not isinstance(part, tuple | list) or len(part) not in (2, 3):
            raise InvalidInput("Examples are a pair of arrays (x, y).", field="validation")
        leaves = keras.tree.flatten(tuple(part))
        if not all(getattr(leaf, "shape", ()) for leaf in leaves):
            raise InvalidInput("Examples must be arrays: np.asarray(…) makes one of a list.", field="validation")
        sizes = {int(leaf.shape[0]) for leaf in leaves}
        if len(sizes) != 1 or sizes == {0}:
            counts = " and ".join(map(str, sorted(sizes)))
            raise InvalidInput(f"The arrays of the examples are {counts} long.", field="validation")
        self.n = sizes.pop()
        self._part = tuple(part)

    def __deepcopy__(self, memo: Any) -> ValidationExamples:
        return self

    def compare(self, model: Any, monitor: str, value: float, mode: Mode) -> Pairs:
        """Return each example's part of `value`, the `monitor` measured on all of them, or why this is impossible."""
        if not math.isfinite(value):
            return Unpaired("the value is not finite")
        if len(self._part) == 3:
            return Unpaired("the examples have weights")
        if not monitor.startswith("val_"):
            return Unpaired(f"{monitor} is not measured on the validation data")
        name = monitor.removeprefix("val_")
        read = _find_function(model, name)
        if isinstance(read, Unpaired):
            return read
        try:
            parts = self._measure(model, read)
        except Exception as error:  # a user's function may raise anything; the validation itself counts all the same
            return Unpaired(f"{name} cannot be read example by example: {type(error).__name__}")
        return _pack(parts, value, mode, has_penalties=name == "loss" and bool(model.losses))

    def _measure(self, model: Any, read: Callable[[Any, Any], Any]) -> Any:
        import numpy as np

        return np.concatenate([_of_each(read(y, model.predict_on_batch(x)), y) for x, y in self._batches()])

    def _batches(self) -> Iterator[tuple[Any, Any]]:
        import keras

        for first in range(0, self.n, BATCH_SIZE):
            chosen = slice(first, first + BATCH_SIZE)
            yield keras.tree.map_structure(lambda leaf, chosen=chosen: leaf[chosen], self._part)


def _find_function(model: Any, name: str) -> Callable[[Any, Any], Any] | Unpaired:
    """Return the function from labels and predictions to the examples' own values, or why there is none."""
    if name == "loss":
        return _find_loss(model.loss)
    metric: Any = next((metric for metric in metrics_of(model) if metric.name == name), None)
    if not hasattr(metric, "_fn"):
        return Unpaired(f"{name} is no mean over the examples")
    return lambda y, predicted: metric._fn(y, predicted, **metric._fn_kwargs)


def _find_loss(loss: Any) -> Callable[[Any, Any], Any] | Unpaired:
    import keras

    if not isinstance(loss, str) and not callable(loss):
        return Unpaired("the network has several losses")
    try:
        function = keras.losses.get(loss)
    except ValueError:
        return Unpaired(f"the loss {loss} has no function of its own")
    return _as_called(function.call if isinstance(function, keras.losses.Loss) else function)


def _as_called(function: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    """Return a loss that gets its arguments as in Keras: both as floats, and both of one rank if one ends with a 1."""
    import keras

    def call(y: Any, predicted: Any) -> Any:
        y, predicted = (keras.ops.convert_to_tensor(item, dtype=keras.config.floatx()) for item in (y, predicted))
        if len(y.shape) + 1 == len(predicted.shape) and predicted.shape[-1] == 1:
            y = keras.ops.expand_dims(y, -1)
        return function(y, predicted)

    return call


def _of_each(values: Any, y: Any) -> Any:
    """Return one number for each example; for a sequence, its mean."""
    import keras
    import numpy as np

    array = np.asarray(keras.ops.convert_to_numpy(values), np.float64)
    return array.reshape(len(y), -1).mean(axis=1)


def _pack(parts: Any, value: float, mode: Mode, *, has_penalties: bool) -> Pairs:
    import numpy as np

    mean, are_bits = float(parts.mean()), bool(np.isin(parts, (0, 1)).all())
    tolerance = _TOLERANCE * abs(value) if not are_bits else _SHARE_TOLERANCE
    rest = value - mean
    if not (abs(rest) <= tolerance or (has_penalties and rest > 0)):
        return Unpaired(f"the examples' mean is {figure(mean)}, not the {figure(value)} that was measured")
    if are_bits:
        return Correct.of(parts if mode == "max" else 1 - parts)
    if len(parts) > MAX_EXAMPLES:
        return Unpaired(f"{len(parts):,} examples, of which a state holds {MAX_EXAMPLES:,} losses")
    return Losses.of(parts, _PENALTIES if abs(rest) > tolerance else "")
