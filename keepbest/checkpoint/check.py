"""Checks a restored network by its predictions for the examples in its checkpoint."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from keepbest.checkpoint.examples import Comparison, compare, read
from keepbest.checkpoint.inputs import Inputs
from keepbest.checkpoint.manifest import Manifest
from keepbest.checkpoint.store import Store
from keepbest.errors import CheckpointMismatch, InvalidInput
from keepbest.figures import figure
from keepbest.snapshots.snapshot import ModelVariables


def check_network(store: Store, manifest: Manifest, model: Any, tolerance: float | None = None) -> Comparison:
    """Compare the model's predictions with the recorded ones; the model's state stays as it is.

    Raises NotFound if the checkpoint has no examples, InvalidInput if nobody can call `model`.
    """
    predictions, inputs = read(store.folder, manifest), manifest.inputs
    if not callable(model) or inputs is None:
        raise InvalidInput(f"A {type(model).__name__} makes no predictions to check.", field="check")
    with untouched(model):
        return compare(predictions, call(model, inputs, predictions.inputs), tolerance)


@contextmanager
def untouched(model: Any) -> Iterator[None]:
    """Afterwards, give a model back its variables, and the states of its recurrent layers, which are no variables."""
    import keras

    layers = model._flatten_layers() if isinstance(model, keras.Model) else ()
    memories = [layer.states for layer in layers if isinstance(layer, keras.layers.RNN) and layer.states is not None]
    remembered = [
        (item, keras.ops.copy(item.value)) for item in keras.tree.flatten([list(memory) for memory in memories])
    ]
    variables = ModelVariables(model)
    before = variables.read()
    try:
        yield
    finally:
        variables.assign(dict(enumerate(before)))
        for item, value in remembered:
            item.assign(value)


def make_mismatch(comparison: Comparison, checkpoint: str) -> CheckpointMismatch:
    """Return the error for a network whose predictions are not the recorded ones."""
    return CheckpointMismatch(
        f"The restored network is not the one of checkpoint {checkpoint}: for its {comparison.examples} examples it "
        f"gives {comparison.restored} where {comparison.recorded} was recorded; the difference is "
        f"{figure(comparison.difference, 3)} at most, over the tolerance of {figure(comparison.tolerance, 3)}.",
        hint="Build the model with the code and the parameters of the run.",
    )


def call(model: Any, inputs: Inputs, arrays: Sequence[Any]) -> list[Any]:
    """Return a network's predictions (dropout off), as arrays in a fixed order."""
    return flatten(model(to_batch(inputs, arrays), training=False))


def to_batch(inputs: Inputs, arrays: Sequence[Any]) -> Any:
    """Return arrays as tensors in the structure of `inputs`."""
    import tensorflow as tf

    left = iter(arrays)
    return inputs.fill(lambda leaf: tf.constant(next(left), leaf.dtype))


def flatten(outputs: Any) -> list[Any]:
    """Return a network's outputs as arrays."""
    import keras

    return [keras.ops.convert_to_numpy(item) for item in keras.tree.flatten(outputs)]
