"""What each validation example adds to the monitored value, for policies that compare validations example by example.

Keras measures sums over batches. So the examples are predicted once more, in their order, and the metric's own function
is asked about each: whether it was right, or its loss. What does not add up to the value that was measured is not used.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

from keepbest.errors import InvalidInput
from keepbest.stopping import Correct, Losses, Mode, Pairs, Unpaired
from keepbest.stopping.losses import MAX_EXAMPLES
from keepbest.training.monitor import metrics_of

#: Examples measured at once, as in the tutorial: the result does not depend on it but for the last bits.
BATCH_SIZE = 256
#: How far, in parts of it, the mean of float32 losses may lie from the measured one; and a share of all examples.
_TOLERANCE, _SHARE_TOLERANCE = 1e-4, 1e-6
_PENALTIES = "penalties left out"


class ValidationExamples:
    """Arrays (x, y), one after another, as they were when this was made.

    Raises InvalidInput for anything else.
    """

    def __init__(self, part: Any) -> None:
        import keras

        if not isinstance(part, tuple | list) or len(part) not in (2, 3):
            raise InvalidInput("Examples are a pair of arrays (x, y).", field="validation")
        leaves = keras.tree.flatten(tuple(part))
        if not all(getattr(leaf, "shape", ()) for leaf in leaves):
            raise InvalidInput("Examples are arrays: np.asarray(…) makes one of a list.", field="validation")
        sizes = {int(leaf.shape[0]) for leaf in leaves}
        if len(sizes) != 1 or sizes == {0}:
            counts = " and ".join(map(str, sorted(sizes)))
            raise InvalidInput(f"The arrays of the examples are {counts} long.", field="validation")
        self.n = sizes.pop()
        self._part = tuple(part)

    def __deepcopy__(self, memo: Any) -> ValidationExamples:
        return self

    def compare(self, model: Any, monitor: str, value: float, mode: Mode) -> Pairs:
        """Return what each example adds to `value`, which was measured of `monitor` on all of them; else why not."""
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
        except Exception as error:  # whatever a user's function raises: the validation itself is taken
            return Unpaired(f"{name} cannot be read example by example: {type(error).__name__}")
        return _pack(parts, value, mode, has_penalties=name == "loss" and bool(model.losses))

    def _measure(self, model: Any, read: Callable[[Any, Any], Any]) -> Any:
        import numpy as np

        result = [_of_each(read(y, model.predict_on_batch(x)), y) for x, y in self._batches()]
        return np.concatenate(result)

    def _batches(self) -> Iterator[tuple[Any, Any]]:
        import keras

        for first in range(0, self.n, BATCH_SIZE):
            chosen = slice(first, first + BATCH_SIZE)
            yield keras.tree.map_structure(lambda leaf, chosen=chosen: leaf[chosen], self._part)


def _find_function(model: Any, name: str) -> Callable[[Any, Any], Any] | Unpaired:
    """Return what gives the examples' own values, from labels and predictions, or why nothing does."""
    if name == "loss":
        return _find_loss(model.loss)
    result: Any = next((metric for metric in metrics_of(model) if metric.name == name), None)
    if not hasattr(result, "_fn"):
        return Unpaired(f"{name} is no mean of something that each example has")
    return lambda y, predicted: result._fn(y, predicted, **result._fn_kwargs)


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
    """Return a loss that is given what Keras gives it: both as floats, and of one rank where one has a 1 at its end."""
    import keras

    def call(y: Any, predicted: Any) -> Any:
        y, predicted = (keras.ops.convert_to_tensor(item, dtype=keras.config.floatx()) for item in (y, predicted))
        if len(y.shape) + 1 == len(predicted.shape) and predicted.shape[-1] == 1:
            y = keras.ops.expand_dims(y, -1)
        return function(y, predicted)

    return call


def _of_each(values: Any, y: Any) -> Any:
    """Return one number an example: of a sequence, the mean."""
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
        return Unpaired(f"the examples' mean is {mean:.6g}, not the {value:.6g} that was measured")
    if are_bits:
        return Correct.of(parts if mode == "max" else 1 - parts)
    if len(parts) > MAX_EXAMPLES:
        return Unpaired(f"{len(parts):,} examples, of which a state holds {MAX_EXAMPLES:,} losses")
    return Losses.of(parts, _PENALTIES if abs(rest) > tolerance else "")
