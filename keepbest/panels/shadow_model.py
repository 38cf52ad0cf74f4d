"""A copy of the network that holds a snapshot's values, for panels while training goes on."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keepbest.contract.panels import GraphData
from keepbest.panels.graph import draw_network
from keepbest.snapshots.averages import use
from keepbest.snapshots.randomness import capture_random, restore_random
from keepbest.snapshots.state import State

BATCH = 256


class Replica:
    """Answers with a snapshot's values. Making the copy before training leaves the random states as they were."""

    def __init__(self, model: Any) -> None:
        import keras

        random = capture_random()
        try:
            self.model = keras.models.clone_model(model)
            self.model.compile(loss=getattr(model, "loss", None))
            self._variables = [variable.value for variable in self.model.variables]
            self._layered = _make_layered(self.model)
        finally:
            restore_random(random)
        if [tuple(item.shape) for item in self._variables] != [tuple(item.shape) for item in model.variables]:
            raise ValueError("the copy of the network has other variables")

    def put(self, state: State) -> None:
        """Take the values of a snapshot that predictions use."""
        used = use(state)
        values = [value for spec, value in zip(used.specs, used.values, strict=True) if spec.collection == "model"]
        for variable, value in zip(self._variables, values, strict=True):
            variable.assign(value)

    def answer(self, x: Any) -> NDArray[Any]:
        """Return the network's answer to all of `x`, computed in batches.

        Raises ValueError if the network has several outputs.
        """
        import keras

        count = len(keras.tree.flatten(x)[0])
        parts = [
            np.asarray(self.model(keras.tree.map_structure(lambda leaf: leaf[at : at + BATCH], x), training=False))  # noqa: B023
            for at in range(0, count, BATCH)
        ]
        return np.concatenate(parts)

    def answers(self, x: Any) -> list[tuple[str, NDArray[Any]]]:
        """Return each layer's output for `x` by its name, in order; of a subclassed network only the last."""
        if self._layered is None:
            return [("output", self.answer(x))]
        names, network = self._layered
        outputs = network(x, training=False)
        outputs = outputs if isinstance(outputs, list) else [outputs]  # Keras unpacks a list of one
        return [(name, np.asarray(value)) for name, value in zip(names, outputs, strict=True)]

    def draw(self, x: Any, y: Any) -> GraphData | None:
        """Return the graph from inputs to loss, or else to the outputs; None if tracing fails for both."""
        import keras

        first = keras.tree.map_structure(lambda leaf: leaf[:1], x)
        random = capture_random()
        try:
            for targets in (y[:1], None):
                with suppress(Exception):  # a user's own loss or network may refuse the tracing
                    return draw_network(self.model, first, targets)
            return None
        finally:
            restore_random(random)

    @property
    def kernels(self) -> list[tuple[str, NDArray[Any]]]:
        """Every weight matrix and convolution kernel, by its path."""
        return [
            (str(variable.path), variable.numpy())
            for variable in self.model.trainable_variables
            if len(variable.shape) in (2, 4) and "bias" not in str(variable.path)
        ]


def _make_layered(model: Any) -> tuple[list[str], Any] | None:
    """Return the names of the layers without inputs, and a network that returns the output of each of them."""
    import keras

    try:
        layers = [
            layer
            for layer in model.layers
            if not isinstance(layer, keras.layers.InputLayer) and isinstance(layer.output, keras.KerasTensor)
        ]
        inputs = model.inputs[0] if len(model.inputs) == 1 else model.inputs
        return [layer.name for layer in layers], keras.Model(inputs, [layer.output for layer in layers])
    except (AttributeError, ValueError):  # a subclassed network does not know its inputs and outputs
        return None
