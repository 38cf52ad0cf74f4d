"""Snapshots in memory: capturing the training state by reference, and rolling back to it.

Reading a TensorFlow variable gives a tensor that shares the variable's buffer. The next update of the variable copies
the buffer first, because the tensor still holds it (copy on write). So keeping a state means holding references
(`keepbest.model.reader`), and rolling back means assigning them.
"""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from keepbest.errors import CheckpointMismatch
from keepbest.model.growth import Growth
from keepbest.model.reader import Joined, VariableReader, read_one
from keepbest.model.saveables import Saveable, walked_once
from keepbest.model.variables import TrainedObject
from keepbest.snapshots.compare import Difference, compare, refuse, refuse_beside
from keepbest.snapshots.late import begin_anew, build_for
from keepbest.snapshots.missing import Missing
from keepbest.snapshots.non_variables import Beside, Entry, entries_in, variables_in
from keepbest.snapshots.randomness import capture_random, restore_random
from keepbest.snapshots.state import Position, State, VariableSpec, specs_of, variables_of

_log = logging.getLogger("keepbest")


class VariableSet(ABC):
    """Reads and sets the variables of one training. `keepbest.tf1.variables` has those of a graph."""

    #: False in a graph: there values are arrays, and reading TensorFlow's random states would add operations.
    is_eager = True
    specs: tuple[VariableSpec, ...]

    @property
    @abstractmethod
    def trained(self) -> Sequence[int]:
        """The places of the network's variables that an optimizer may move."""

    @property
    def missing(self) -> tuple[Missing, ...]:
        """The parts of the state that keepbest cannot capture."""
        return ()

    def follow(self) -> bool:
        """Add the variables that the model has built since the last call; return whether the variables changed."""
        return False

    @abstractmethod
    def are(self, other: VariableSet) -> bool:
        """Whether both sets are of the very same variables."""

    @abstractmethod
    def read(self) -> Sequence[Any]:
        """Return the value of each variable in the order of `specs`; no later training changes them."""

    def read_trained(self) -> dict[str, Any]:
        """Return the value of each trained variable, by its name within a state."""
        values = self.read()  # before `specs`: a graph learns some shapes only by reading
        return {self.specs[place].name: values[place] for place in self.trained}

    def take(self) -> tuple[tuple[VariableSpec, ...], Sequence[Any]]:
        """Return the descriptions and the values of a whole state."""
        values = self.read()  # before `specs`: a graph learns some shapes only by reading
        return self.specs, values

    @abstractmethod
    def check(self, state: State) -> None:
        """Raise CheckpointMismatch, which names every difference, unless `state` fits these variables."""

    @abstractmethod
    def put(self, state: State) -> None:
        """Give every variable its value in `state`. Raises CheckpointMismatch, and sets nothing, if it does not fit."""


class ModelVariables(VariableSet):
    """All variables of a model and its optimizers, and the state beside them, also of parts that are built later.

    `put` takes states from before such a part was built: the part's variables get their first values, if known.
    """

    def __init__(self, model: Any, before: VariableSet | None = None) -> None:
        self._trained = model if isinstance(model, TrainedObject) else TrainedObject(model)
        self.specs: tuple[VariableSpec, ...] = ()
        self._variables: list[Any] = []
        #: The variables at each earlier time, for the states of that time.
        self._past: list[tuple[tuple[VariableSpec, ...], list[Any]]] = []
        if isinstance(before, ModelVariables):  # the same network, compiled anew
            self._past.extend(before._past)
        self._reader: VariableReader | None = None
        self._scan()

    def __len__(self) -> int:
        return len(self._variables)

    @property
    def trained(self) -> Sequence[int]:
        pairs = enumerate(zip(self.specs, self._variables, strict=True))
        return [place for place, (spec, item) in pairs if spec.collection == "model" and is_trained(item)]

    def are(self, other: VariableSet) -> bool:
        return isinstance(other, ModelVariables) and _same(self._variables, other._variables)

    @property
    def missing(self) -> tuple[Missing, ...]:
        return tuple(self._beside.missing)

    def follow(self) -> bool:
        return self._growth.is_new() and self._scan()

    @walked_once()
    def _scan(self) -> bool:
        """Walk over the whole model; return whether its variables have changed."""
        variables = variables_of(self._trained)
        self._beside = Beside(self._trained)
        self._growth = Growth(self._trained.kept, [*self._beside.saveables, *self._trained.all_optimizers()])
        if _same(variables, self._variables):
            return False
        self.specs, self._variables, self._reader = specs_of(self._trained), variables, None
        self._past.append((self.specs, variables))
        return True

    def read(self) -> Sequence[Any]:
        """Return a tensor for each variable. The first call traces (some 100 ms)."""
        if self._reader is None:
            self._reader = VariableReader(self._variables)
        return self._reader.read()

    def read_trained(self) -> dict[str, Any]:
        """Read the variables one by one, without the traced reader, which later variables would make useless."""
        return {self.specs[place].name: read_one(self._variables[place]) for place in self.trained}

    def take(self) -> tuple[tuple[VariableSpec, ...], Sequence[Any]]:
        self.follow()
        values, beside = self.read(), self._beside.read()
        if not beside:
            return self.specs, values
        return (*self.specs, *(spec for spec, _ in beside)), Joined(values, [value for _, value in beside])

    def check(self, state: State) -> None:
        self.follow()
        specs, _ = variables_in(state)
        if self._find_past(specs) is None and (differences := compare(specs, self.specs)):
            raise refuse(differences, state.id)

    @property
    def optimizers(self) -> list[Saveable]:
        """The optimizers of the model with their paths, also those that are not built yet."""
        return self._trained.all_optimizers()

    @property
    def kept(self) -> Any:
        """The model, or the module, dict or list that holds the variables."""
        return self._trained.kept

    @contextmanager
    def kept_as_they_are(self) -> Iterator[None]:
        """Afterwards, give variables and random generators back their present values; then add what was built."""
        present, random = [(item, read_one(item)) for item in self._variables], capture_random()
        try:
            yield
        finally:
            for variable, value in present:
                _assign(variable, value)
            restore_random(random)
            self.follow()

    def build_for(self, specs: Sequence[VariableSpec]) -> None:
        """Build the optimizers that a state of `specs` has values for."""
        wanted = {spec for spec in specs if spec.collection == "optimizer"}
        if not wanted.issubset(self.specs) and build_for(self._trained, specs):
            self._scan()

    def choose_beside(self, entries: Sequence[Entry], name: str, *, strict: bool = True) -> Sequence[Entry]:
        """Return the entries that the model can take; `name` is the state's, for messages.

        Raises CheckpointMismatch if `strict`, and an entry does not fit the model or a lookup would stay empty.
        """
        lines = self._beside.compare(entries)
        empty = self._beside.find_empty(entries) if strict else []
        if strict and (lines or empty):
            raise refuse_beside(list(dict.fromkeys(lines.values())), empty, name)
        return [pair for pair in entries if (pair[0].collection, pair[0].path) not in lines]

    def put(self, state: State) -> None:
        self.follow()
        specs, places = variables_in(state)
        variables = self._find_past(specs)
        if lost := self._find_lost(specs, variables):
            raise refuse(lost, state.id)
        if variables is None and _forms(specs) != _forms(self.specs):  # the bare operation does not check shapes
            raise CheckpointMismatch(
                f"The snapshot's {len(specs)} variables are not the model's {len(self.specs)}.",
                hint="Roll back with the model and optimizer that the snapshot was taken from.",
            )
        if state.missing:
            _log.warning("keepbest: The roll back to step %s is incomplete: %s", state.step, state.missing[0])
        self.put_beside(entries_in(state), lambda: self._put(variables or self._variables, state.values, places))

    def put_beside(self, entries: Sequence[Entry], put: Callable[[], object]) -> None:
        """Put entries into the model, call `put` for its variables, then have layers recompute what they derive."""
        changed = self._beside.load(entries) if entries else False
        put()
        if self._beside.finish() or changed:
            self._beside.renew()

    def _put(self, variables: list[Any], values: Sequence[Any], places: Sequence[int]) -> None:
        for variable, place in zip(variables, places, strict=True):
            _assign(variable, values[place])
        if variables is not self._variables:
            begin_anew(self._trained, {id(variable) for variable in variables})

    def _find_past(self, specs: tuple[VariableSpec, ...]) -> list[Any] | None:
        """Return the variables of a state of this training; None for any other state."""
        return next((variables for past, variables in reversed(self._past) if past == specs), None)

    def _find_lost(self, specs: tuple[VariableSpec, ...], variables: list[Any] | None) -> list[Difference]:
        """Return the variables that a state of this training holds and the model has no longer."""
        if variables is None or variables is self._variables:
            return []
        present = {id(variable) for variable in self._variables}
        lost = [spec for spec, item in zip(specs, variables, strict=True) if id(item) not in present]
        return [
            Difference("missing", spec.collection, spec.index, spec.path, None)
            for spec in lost
            if spec.collection == "model"
        ]

    def assign(self, values: Mapping[int, Any]) -> None:
        """Give the variables at these places their tensors, by reference."""
        for place, value in values.items():
            _assign(self._variables[place], value)


def specs_for(model: Any, specs: Sequence[VariableSpec]) -> tuple[VariableSpec, ...]:
    """Build the optimizers that a state of `specs` has values for; return the descriptions of `model`'s variables."""
    model_variables = ModelVariables(model)
    model_variables.build_for(specs)
    return model_variables.specs


def capture(variables: VariableSet, *, position: Position, stopper: Mapping[str, Any] | None = None) -> State:
    """Return the present state by reference. Milliseconds at most, whatever the model's size."""
    specs, values = variables.take()
    return State(
        position=position,
        specs=specs,
        values=values,
        stopper=stopper or {},
        random=capture_random(tensorflow=variables.is_eager),
        missing=variables.missing,
    )


def roll_back(variables: VariableSet, state: State) -> None:
    """Put `state` back into the variables and the random generators. `state` does not change."""
    variables.put(state)
    restore_random(state.random, tensorflow=variables.is_eager)


def is_trained(variable: Any) -> bool:
    """Whether an optimizer may train the variable: it is trainable, and of a floating or complex type."""
    dtype = variable.dtype.base_dtype
    return bool(variable.trainable) and bool(dtype.is_floating or dtype.is_complex)


def _same(some: Sequence[Any], others: Sequence[Any]) -> bool:
    return len(some) == len(others) and all(item is another for item, another in zip(some, others, strict=True))


def _forms(specs: Sequence[VariableSpec]) -> list[tuple[tuple[int, ...], str]]:
    return [(spec.shape, spec.dtype) for spec in specs]


def _assign(variable: Any, value: Any) -> None:
    """Assign by the bare operation: in half the time of `Variable.assign`, or of one function for all variables."""
    import tensorflow as tf

    if replicas := getattr(variable, "values", ()):  # the variable's own handle is only the first replica's
        for replica in replicas:
            replica.assign(value)
        return
    try:
        handle = variable.handle
    except ValueError:
        variable.assign(value)
    else:
        tf.raw_ops.AssignVariableOp(resource=handle, value=value)
