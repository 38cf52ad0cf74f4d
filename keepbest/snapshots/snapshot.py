"""Snapshots in memory: the training state by reference, and the way back.

Reading a TensorFlow variable gives a tensor that shares the variable's buffer, and the next update of the variable
copies the buffer first because somebody else still holds it (copy on write). So keeping a state is holding
references (`keepbest.snapshots.reader`), and rolling back is assigning them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

from keepbest.errors import CheckpointMismatch
from keepbest.snapshots.match import compare, refuse
from keepbest.snapshots.randomness import capture_random, restore_random
from keepbest.snapshots.reader import Reader
from keepbest.snapshots.state import Position, State, VariableSpec, specs_of, variables_of


class Living(ABC):
    """The variables of one training: they can be read, and set. A graph's are in `keepbest.session.variables`."""

    #: False in a graph: values are arrays there, and asking TensorFlow's random generators would add to it.
    is_eager = True
    specs: tuple[VariableSpec, ...]

    @property
    @abstractmethod
    def trained(self) -> Sequence[int]:
        """The places of the network's variables that an optimizer may move."""

    @abstractmethod
    def are(self, other: Living) -> bool:
        """Whether both are the very same variables."""

    @abstractmethod
    def read(self) -> Sequence[Any]:
        """Return the value of each variable in the order of `specs`; no later training changes them."""

    @abstractmethod
    def check(self, state: State) -> None:
        """Raise CheckpointMismatch, naming every difference, unless `state` is one of these variables."""

    @abstractmethod
    def put(self, state: State) -> None:
        """Give every variable its value in `state`. Raises CheckpointMismatch, and sets nothing, for another's."""


class Variables(Living):
    """All variables of a model and its optimizer, as they are when this is made (once a `fit`)."""

    def __init__(self, model: Any) -> None:
        self.specs = specs_of(model)
        self._variables = variables_of(model)
        self._reader: Reader | None = None

    def __len__(self) -> int:
        return len(self._variables)

    @property
    def trained(self) -> Sequence[int]:
        pairs = enumerate(zip(self.specs, self._variables, strict=True))
        return [place for place, (spec, one) in pairs if spec.collection == "model" and is_trained(one)]

    def are(self, other: Living) -> bool:
        if not isinstance(other, Variables) or len(self) != len(other):
            return False
        return all(one is another for one, another in zip(self._variables, other._variables, strict=True))

    def read(self) -> Sequence[Any]:
        """Return a tensor for each variable. The first call traces (some 100 ms)."""
        if self._reader is None:
            self._reader = Reader(self._variables)
        return self._reader.read()

    def check(self, state: State) -> None:
        if state.specs is not self.specs and (differences := compare(state.specs, self.specs)):
            raise refuse(differences, state.id)

    def put(self, state: State) -> None:
        if _forms(state.specs) != _forms(self.specs):  # a bare assignment would not mind
            raise CheckpointMismatch(
                f"The snapshot's {len(state.specs)} variables are not the model's {len(self.specs)}.",
                hint="Roll back with the model and optimizer that the snapshot was taken from.",
            )
        self.assign(dict(enumerate(state.values)))

    def assign(self, values: Mapping[int, Any]) -> None:
        """Give the variables at these places their tensors, by reference."""
        for place, value in values.items():
            _assign(self._variables[place], value)


def capture(variables: Living, *, position: Position, stopper: Mapping[str, Any] | None = None) -> State:
    """Return the present state by reference. Milliseconds at most, whatever the model's size."""
    values = variables.read()  # first: a graph learns the forms of some only now
    return State(
        position=position,
        specs=variables.specs,
        values=values,
        stopper=stopper or {},
        random=capture_random(tensorflow=variables.is_eager),
    )


def roll_back(variables: Living, state: State) -> None:
    """Put `state` back into the living variables and the random generators. `state` stays as it was."""
    variables.put(state)
    restore_random(state.random, tensorflow=variables.is_eager)


def is_trained(variable: Any) -> bool:
    """Whether an optimizer may move it: it says so, and holds fractions."""
    dtype = variable.dtype.base_dtype
    return bool(variable.trainable) and bool(dtype.is_floating or dtype.is_complex)


def _forms(specs: Sequence[VariableSpec]) -> list[tuple[tuple[int, ...], str]]:
    return [(spec.shape, spec.dtype) for spec in specs]


def _assign(variable: Any, value: Any) -> None:
    """Assign by the bare operation: half the time of `Variable.assign`, and of one function with an argument each."""
    import tensorflow as tf

    try:
        handle = variable.handle
    except ValueError:
        variable.assign(value)
    else:
        tf.raw_ops.AssignVariableOp(resource=handle, value=value)
