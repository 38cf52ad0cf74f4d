"""The full training state as one value: variables by reference, the state beside them, random states, position and
stopper, under one id.

A state holds everything that affects the next step, so after a roll back every later loss is equal to the last bit. It
holds `model.variables` and not `model.weights`, because only the former has the seed generators of dropout and
augmentation. It also holds the `tf.Variable`s and `tf.random.Generator`s of a user's layer, which neither list has.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from math import prod
from typing import Any, Literal

from keepbest.contract.base import new_id
from keepbest.model.variables import Named, TrainedObject, value_of
from keepbest.snapshots.missing import Missing

#: `model` and `optimizer` are variables; `asset` are files that layers save, such as a vocabulary; `own` are arrays
#: that they save; `measured` are values that a validation used in place of variables, as a callback had swapped them.
#: `example` are inputs and predictions of the network, which a checkpoint stores beside the state.
Collection = Literal["model", "optimizer", "asset", "own", "measured", "example"]
COLLECTIONS: tuple[Collection, ...] = ("model", "optimizer", "asset", "own", "measured")
VARIABLES: tuple[Collection, ...] = ("model", "optimizer")
BESIDE: tuple[Collection, ...] = ("asset", "own")


@dataclass(frozen=True)
class Position:
    """The position of training. `step` counts optimizer updates; `batch` counts those since `epoch` began."""

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
        """The name for messages, unique within a state."""
        return f"{self.collection}/{self.index}:{self.path}"


@dataclass(frozen=True, eq=False)
class Predictions:
    """The inputs of a few examples, and what the network returned for them when keepbest took the state."""

    inputs: tuple[Any, ...]
    outputs: tuple[Any, ...]


@dataclass(frozen=True, eq=False)
class State:
    """The state of one training at one step. `values` are `tf.Tensor`s in the order of `specs`; nobody writes to them.

    The arrays of `asset` and `own` come after the variables, and those of `measured` last.
    """

    position: Position
    specs: tuple[VariableSpec, ...]
    values: Sequence[Any]
    stopper: Mapping[str, Any] = field(default_factory=dict)
    random: Mapping[str, Any] = field(default_factory=dict)
    id: str = field(default_factory=new_id)
    #: The state of carried callbacks and generators, by name (`keepbest.snapshots.carried_state`).
    callbacks: Mapping[str, Any] = field(default_factory=dict)
    #: From the place of a trained variable to the place of its average (`keepbest.snapshots.averages`).
    averages: Mapping[int, int] = field(default_factory=dict)
    #: The parts of the model that keepbest could not capture.
    missing: tuple[Missing, ...] = ()
    #: Predictions for the reference examples, if the run has any (`keepbest.training.reference_examples`).
    predictions: Predictions | None = None

    @property
    def step(self) -> int:
        return self.position.step

    @cached_property
    def size_bytes(self) -> int:
        """Bytes of all values. The size of one number has another name in TensorFlow than in NumPy."""
        pairs = [(spec, value.dtype) for spec, value in zip(self.specs, self.values, strict=True)]
        return sum(
            prod(spec.shape) * int(dtype.size if hasattr(dtype, "size") else dtype.itemsize) for spec, dtype in pairs
        )


def specs_of(model: Any) -> tuple[VariableSpec, ...]:
    """Return the descriptions of the variables that `variables_of` returns."""
    return tuple(
        VariableSpec(collection, index, path, tuple(variable.shape), variable.dtype.base_dtype.name)
        for collection, group in _groups_of(model)
        for index, (path, variable) in enumerate(group)
    )


def variables_of(model: Any) -> list[Any]:
    """Return every `tf.Variable` of `model` (or of a `TrainedObject`), then of its optimizers that are built."""
    return [variable for _, group in _groups_of(model) for _, variable in group]


def _groups_of(model: Any) -> tuple[tuple[Collection, list[Named]], ...]:
    trained = model if isinstance(model, TrainedObject) else TrainedObject(model)
    groups: tuple[tuple[Collection, list[Named]], ...] = (
        ("model", trained.variables()),
        ("optimizer", trained.optimizer_variables()),
    )
    return tuple((collection, [(path, value_of(item)) for path, item in group]) for collection, group in groups)
