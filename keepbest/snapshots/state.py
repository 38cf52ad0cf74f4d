"""The full training state as one value: variables by reference, what lies beside them, random states, position and
stopper, under one id.

Everything that decides the next step is here, so that putting it back makes every later loss equal to the last bit.
`model.variables` and not `model.weights`: dropout's and augmentation's seed generators live only in the former. And the
`tf.Variable`s and `tf.random.Generator`s that a user's layer made by itself, which are in neither.
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

#: Variables of the model and of its optimizers; files that layers save, such as a vocabulary; what else they save; and
#: what a validation measured in place of variables, where another callback had swapped that in.
#: Beside a state lie examples of what its network predicts.
Collection = Literal["model", "optimizer", "asset", "own", "measured", "example"]
COLLECTIONS: tuple[Collection, ...] = ("model", "optimizer", "asset", "own", "measured")
VARIABLES: tuple[Collection, ...] = ("model", "optimizer")
BESIDE: tuple[Collection, ...] = ("asset", "own")


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
class Predictions:
    """What the network gave for a few examples when a state of it was taken: the arrays of both, in their order."""

    inputs: tuple[Any, ...]
    outputs: tuple[Any, ...]


@dataclass(frozen=True, eq=False)
class State:
    """The state of one training at one step. `values` are `tf.Tensor`s in the order of `specs`, never written to.

    What lies beside the variables (`asset`, `own`) comes after them, as arrays, and `measured` last.
    """

    position: Position
    specs: tuple[VariableSpec, ...]
    values: Sequence[Any]
    stopper: Mapping[str, Any] = field(default_factory=dict)
    random: Mapping[str, Any] = field(default_factory=dict)
    id: str = field(default_factory=new_id)
    #: The state of the callbacks and generators that go along, by name (`keepbest.snapshots.carried_state`).
    callbacks: Mapping[str, Any] = field(default_factory=dict)
    #: Places of trained variables, with those of the averages that are used for them (`keepbest.snapshots.averages`).
    averages: Mapping[int, int] = field(default_factory=dict)
    #: What of the model could not be captured.
    missing: tuple[Missing, ...] = ()
    #: Of the network as it is measured and used, where somebody asked for it (`keepbest.training.reference_examples`).
    predictions: Predictions | None = None

    @property
    def step(self) -> int:
        return self.position.step

    @cached_property
    def size_bytes(self) -> int:
        pairs = zip(self.specs, self.values, strict=True)
        return sum(prod(spec.shape) * _item_bytes(value.dtype) for spec, value in pairs)


def specs_of(model: Any) -> tuple[VariableSpec, ...]:
    """Return what `variables_of` returns, described."""
    return tuple(
        VariableSpec(collection, index, path, tuple(variable.shape), variable.dtype.base_dtype.name)
        for collection, group in _groups_of(model)
        for index, (path, variable) in enumerate(group)
    )


def variables_of(model: Any) -> list[Any]:
    """Return every `tf.Variable` of `model` (or of a `TrainedObject`), then of its optimizers that are built."""
    return [variable for _, group in _groups_of(model) for _, variable in group]


def _item_bytes(dtype: Any) -> int:
    """Return the bytes of one number: TensorFlow's types call it otherwise than NumPy's."""
    return int(dtype.size if hasattr(dtype, "size") else dtype.itemsize)


def _groups_of(model: Any) -> tuple[tuple[Collection, list[Named]], ...]:
    trained = model if isinstance(model, TrainedObject) else TrainedObject(model)
    groups: tuple[tuple[Collection, list[Named]], ...] = (
        ("model", trained.variables()),
        ("optimizer", trained.optimizer_variables()),
    )
    return tuple((collection, [(path, value_of(item)) for path, item in group]) for collection, group in groups)
