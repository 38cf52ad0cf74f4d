"""Reads the inside of a network: the output of each layer, the loss, and its gradients."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keepbest.errors import InvalidInput
from keepbest.training.per_example import BATCH_SIZE
from worker.trainer.evaluate import count_examples

Batch = tuple[Any, ...]
Note = Callable[[str, Any], None]


def pick(part: Any, first: int, stop: int | None) -> Iterator[Batch]:
    """Yield the examples from `first` up to `stop` of a part of the data, in batches.

    Raises InvalidInput if the part has no such examples.
    """
    import keras

    at, number = 0, 0
    for batch in _batches(part, endless=stop is not None):
        count = len(keras.tree.flatten(batch[0])[0])
        low, high = max(0, first - at), count if stop is None else min(count, stop - at)
        if low < high:
            number += high - low
            yield tuple(keras.tree.map_structure(lambda leaf: leaf[low:high], batch))  # noqa: B023
        at += count
        if stop is not None and at >= stop:
            break
    if not number:
        raise InvalidInput(f"There is no example {first}: this part of the data has {at:,}.", field="example")


def _batches(part: Any, *, endless: bool) -> Iterator[Batch]:
    import keras
    import tensorflow as tf

    count = count_examples(part)
    if count is not None:
        for at in range(0, count, BATCH_SIZE):
            yield tuple(keras.tree.map_structure(lambda leaf: leaf[at : at + BATCH_SIZE], tuple(part)))  # noqa: B023
    elif isinstance(part, keras.utils.PyDataset):
        yield from (part[index] for index in range(len(part)))
    elif isinstance(part, tf.data.Dataset):
        if not endless and int(part.cardinality()) == tf.data.INFINITE_CARDINALITY:
            raise InvalidInput("This part of the data never ends.", field="examples", hint="Give --examples 0:1000.")
        yield from part
    else:
        raise InvalidInput("This run has no such part of the data.", field="part")


# The outputs of layers


def read_outputs(model: Any, batches: Iterable[Batch], names: Iterable[str] | None = None) -> dict[str, NDArray[Any]]:
    """Return the output of each layer (or only of `names`) for all examples, as in an evaluation.

    `NAME:before` is the input of the activation function of layer NAME. Layers inside of layers count, and those of
    networks written as a class: this intercepts their calls. `output` is the network's answer, if it is one tensor.
    """
    wanted = frozenset(names) if names is not None else None
    parts: dict[str, list[NDArray[Any]]] = {}
    for batch in batches:
        for name, value in _record_calls(model, batch[0]).items():
            if wanted is None or name in wanted:
                parts.setdefault(name, []).append(value.numpy())
    return {name: np.concatenate(values) if values[0].ndim else values[-1] for name, values in parts.items()}


def _record_calls(model: Any, x: Any) -> dict[str, Any]:
    recorded: dict[str, Any] = {}
    times: dict[str, int] = {}

    def note(name: str, output: Any) -> None:
        import keras

        times[name] = times.get(name, 0) + 1
        leaves = keras.tree.flatten(output)
        for place, leaf in enumerate(leaves):
            if hasattr(leaf, "numpy"):  # inside a TensorFlow loop there are no values
                again = f"#{times[name]}" if times[name] > 1 else ""
                recorded[f"{name}{again}" + (f"[{place}]" if len(leaves) > 1 else "")] = leaf

    with _intercepted(model, note):
        note("output", model(x, training=False))
    return recorded


@contextmanager
def _intercepted(model: Any, note: Note) -> Iterator[None]:
    """Make every layer note its output, by a `call` of its own in front of its class's."""
    import keras

    every = model._flatten_layers(include_self=False)
    # A recurrent layer calls its cell at every step of the sequence: such calls do not count.
    layers = [item for item in every if not hasattr(item, "state_size") or isinstance(item, keras.layers.RNN)]
    functions = [(layer, layer.activation) for layer in layers if _has_activation(layer)]
    try:
        for layer in layers:
            layer.call = _noting_output(layer.call, note, layer.name)
        for layer, function in functions:
            layer.activation = _noting_input(function, note, f"{layer.name}:before")
        yield
    finally:
        for layer in layers:
            del layer.call
        for layer, function in functions:
            layer.activation = function


def _noting_output(call: Callable[..., Any], note: Note, name: str) -> Callable[..., Any]:
    @functools.wraps(call)
    def noting(*args: Any, **kwargs: Any) -> Any:
        output = call(*args, **kwargs)
        note(name, output)
        return output

    return noting


def _noting_input(function: Callable[..., Any], note: Note, name: str) -> Callable[..., Any]:
    @functools.wraps(function)
    def noting(x: Any) -> Any:
        note(name, x)
        return function(x)

    return noting


def _has_activation(layer: Any) -> bool:
    function = getattr(layer, "activation", None)
    is_own = hasattr(layer, "kernel") and not hasattr(layer, "state_size")
    return is_own and callable(function) and getattr(function, "__name__", "") != "linear"


# The loss and its gradients


def differentiate(
    model: Any, batches: Iterable[Batch], variables: list[Any], *, total: bool = False
) -> tuple[NDArray[Any], list[NDArray[Any]], int]:
    """Return the loss, its gradient by each of `variables`, and the number of examples, with dropout off.

    The loss is the mean over the examples, or the sum if the run's own loss is a sum, or with `total`. Penalties on
    weights count once, for any number of batches.
    """
    import keras
    import tensorflow as tf

    is_sum = _sums(model)
    loss, gradients, count = tf.constant(0.0), [tf.zeros(variable.shape, variable.dtype) for variable in variables], 0
    extra, by_extra = tf.constant(0.0), gradients
    for batch in batches:
        n = len(keras.tree.flatten(batch[0])[0])
        with tf.GradientTape(persistent=True) as tape:
            added, data = _lose(model, batch, 1.0 if is_sum else float(n))
        sources = [variable.value for variable in variables]
        loss += data
        gradients = [a + b for a, b in zip(gradients, _by(tape, data, sources), strict=True)]
        extra, by_extra = (
            extra + added * n,
            [a + b * n for a, b in zip(by_extra, _by(tape, added, sources), strict=True)],
        )
        count += n
    scale = 1.0 if is_sum or total else 1.0 / count
    joined = [np.asarray(a * scale + b / count) for a, b in zip(gradients, by_extra, strict=True)]
    return np.asarray(loss * scale + extra / count), joined, count


def _lose(model: Any, batch: Batch, weight: float) -> tuple[Any, Any]:
    """Return the penalties, which do not depend on the examples, and the loss of a batch's examples times `weight`."""
    import tensorflow as tf

    answer = model(batch[0], training=False)
    added = tf.add_n([tf.cast(loss, tf.float32) for loss in model.losses]) if model.losses else tf.constant(0.0)
    rest = batch[2] if len(batch) > 2 else None
    whole = model.compute_loss(x=batch[0], y=batch[1], y_pred=answer, sample_weight=rest)
    return added, (tf.cast(whole, tf.float32) - added) * weight


def _by(tape: Any, value: Any, sources: list[Any]) -> list[Any]:
    import tensorflow as tf

    gradient = tape.gradient(value, sources, unconnected_gradients=tf.UnconnectedGradients.ZERO)
    return [tf.convert_to_tensor(item) for item in gradient]  # the gradient of an embedding holds only some rows


def _sums(model: Any) -> bool:
    """Whether the loss that the model was compiled with is a sum over the examples."""
    import keras

    losses = keras.tree.flatten(model.loss)
    return bool(losses) and all(getattr(loss, "reduction", None) == "sum" for loss in losses)
