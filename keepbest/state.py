"""The full training state as one value: variables by reference, random states, position and stopper, under one id.

Everything that decides the next step is here, so that putting it back makes every later loss equal to the last bit.
`model.variables` and not `model.weights`: dropout's and augmentation's seed generators live only in the former.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from math import prod
from typing import Any, Literal

from keepbest.contract.base import new_id

Collection = Literal["model", "optimizer"]


@dataclass(frozen=True)
class Position:
    """Where training is. `step` counts optimizer updates; `batch` counts those since `epoch` began."""

    step: int = 0
    epoch: int = 0
    batch: int = 0


@dataclass(frozen=True)
class VariableSpec:
    """One variable without its value. `index` is its place in its collection: names may differ between processes."""

    collection: Collection
    index: int
    path: str
    shape: tuple[int, ...]
    dtype: str

    @property
    def name(self) -> str:
        """How messages call it; unique within a state."""
        return f"{self.collection}/{self.index}:{self.path}"


@dataclass(frozen=True, eq=False)
class State:
    """The state of one training at one step. `values` are `tf.Tensor`s in the order of `specs`, never written to."""

    position: Position
    specs: tuple[VariableSpec, ...]
    values: tuple[Any, ...]
    stopper: Mapping[str, Any] = field(default_factory=dict)
    random: Mapping[str, Any] = field(default_factory=dict)
    id: str = field(default_factory=new_id)

    @property
    def step(self) -> int:
        return self.position.step

    @cached_property
    def size_bytes(self) -> int:
        return sum(prod(spec.shape) * value.dtype.size for spec, value in zip(self.specs, self.values, strict=True))


def specs_of(model: Any) -> tuple[VariableSpec, ...]:
    """Return what `variables_of` returns, described."""
    groups: tuple[tuple[Collection, Sequence[Any]], ...] = (
        ("model", model.variables),
        ("optimizer", _optimizer_variables(model)),
    )
    return tuple(
        VariableSpec(collection, index, variable.path, tuple(variable.shape), variable.dtype)
        for collection, variables in groups
        for index, variable in enumerate(variables)
    )


def variables_of(model: Any) -> list[Any]:
    """Return every `tf.Variable` of `model`, then of its optimizer, which is built first where it is not yet."""
    return [variable.value for variable in [*model.variables, *_optimizer_variables(model)]]


def _optimizer_variables(model: Any) -> list[Any]:
    optimizer = getattr(model, "optimizer", None)
    if optimizer is None:
        return []
    if not optimizer.built:
        optimizer.build(model.trainable_variables)
    return list(optimizer.variables)


def capture_random(*, tensorflow: bool = True) -> dict[str, Any]:
    """Return the random states of Python, NumPy, Keras and TensorFlow as JSON.

    Not among them: the hidden counters of TensorFlow's stateful random ops, which nothing can read. Without
    `tensorflow`, only Python's and NumPy's: in a graph, asking for the others would add to it.
    """
    import numpy as np

    version, internal, gauss = random.getstate()
    numpy_state: Any = np.random.get_state(legacy=True)
    kind, key, place, has_gauss, cached = numpy_state
    return {
        "python": [version, list(internal), gauss],
        "numpy": [kind, key.tolist(), place, has_gauss, cached],
        **(_capture_tensorflow() if tensorflow else {}),
    }


def _capture_tensorflow() -> dict[str, Any]:
    import tensorflow as tf

    keras_generator = _find_keras_generator()
    return {
        "keras": None if keras_generator is None else keras_generator.state.numpy().tolist(),
        "tensorflow": tf.random.get_global_generator().state.numpy().tolist(),
    }


def restore_random(states: Mapping[str, Any], *, tensorflow: bool = True) -> None:
    """Put back what `capture_random` returned."""
    import numpy as np

    if tensorflow:
        _restore_tensorflow(states)
    if states.get("numpy") is not None:
        kind, key, place, has_gauss, cached = states["numpy"]
        np.random.set_state((kind, np.array(key, dtype=np.uint32), place, has_gauss, cached))
    if states.get("python") is not None:
        version, internal, gauss = states["python"]
        random.setstate((version, tuple(internal), gauss))


def _restore_tensorflow(states: Mapping[str, Any]) -> None:
    import tensorflow as tf

    if states.get("keras") is not None:
        _get_keras_generator().state.assign(states["keras"])
    if states.get("tensorflow") is not None:
        tf.random.get_global_generator().reset(states["tensorflow"])


def _find_keras_generator() -> Any:
    """Return Keras' own seed generator, or None: making one would draw from Python's random numbers."""
    seeds = sys.modules.get("keras.src.random.seed_generator")
    if seeds is None:
        return None
    return seeds.global_state.get_global_attribute(seeds.GLOBAL_SEED_GENERATOR)


def _get_keras_generator() -> Any:
    from keras.src.random.seed_generator import global_seed_generator

    return global_seed_generator()
