"""Snapshots in memory: the training state by reference, and the way back.

Reading a TensorFlow variable gives a tensor that shares the variable's buffer, and the next update of the variable
copies the buffer first because somebody else still holds it (copy on write). So keeping a state is holding
references (`keepbest.model.reader`), and rolling back is assigning them.
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
    """The variables of one training: they can be read, and set. A graph's are in `keepbest.tf1.variables`."""

    #: False in a graph: values are arrays there, and asking TensorFlow's random generators would add to it.
    is_eager = True
    specs: tuple[VariableSpec, ...]

    @property
    @abstractmethod
    def trained(self) -> Sequence[int]:
        """The places of the network's variables that an optimizer may move."""

    @property
    def missing(self) -> tuple[Missing, ...]:
        """What of the state cannot be captured."""
        return ()

    def follow(self) -> bool:
        """Take up what was built since the last time; return whether there are other variables now."""
        return False

    @abstractmethod
    def are(self, other: VariableSet) -> bool:
        """Whether both are the very same variables."""

    @abstractmethod
    def read(self) -> Sequence[Any]:
        """Return the value of each variable in the order of `specs`; no later training changes them."""

    def read_trained(self) -> dict[str, Any]:
        """Return the value of each trained variable, by its name within a state."""
        values = self.read()  # first: a graph learns the forms of some only now
        return {self.specs[place].name: values[place] for place in self.trained}

    def take(self) -> tuple[tuple[VariableSpec, ...], Sequence[Any]]:
        """Return all that a state holds, and what each of it is."""
        values = self.read()  # first: a graph learns the forms of some only now
        return self.specs, values

    @abstractmethod
    def check(self, state: State) -> None:
        """Raise CheckpointMismatch, naming every difference, unless `state` is one of these variables."""

    @abstractmethod
    def put(self, state: State) -> None:
        """Give every variable its value in `state`. Raises CheckpointMismatch, and sets nothing, for another's."""


class ModelVariables(VariableSet):
    """All variables of a model and its optimizers, and what lies beside them. What is built later is taken up.

    A state from before that goes back as well: what did not exist then gets its first value, where that is known.
    """

    def __init__(self, model: Any, before: VariableSet | None = None) -> None:
        self._trained = model if isinstance(model, TrainedObject) else TrainedObject(model)
        self.specs: tuple[VariableSpec, ...] = ()
        self._variables: list[Any] = []
        #: What was there at each time, for the states of that time.
        self._past: list[tuple[tuple[VariableSpec, ...], list[Any]]] = []
        if isinstance(before, ModelVariables):  # the same network, compiled anew
            self._past.extend(before._past)
        self._reader: VariableReader | None = None
        self._validation()

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
        return self._growth.is_new() and self._validation()

    @walked_once()
    def _validation(self) -> bool:
        """Look through the whole model; return whether it has other variables than before."""
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
        """Read one by one: that needs no tracing, and variables may come that change it."""
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
        """The optimizers of the model, with their paths: those too that are not built yet."""
        return self._trained.all_optimizers()

    @property
    def kept(self) -> Any:
        """The model, or what else it is that holds the variables."""
        return self._trained.kept

    @contextmanager
    def kept_as_they_are(self) -> Iterator[None]:
        """Give variables and random generators back what they hold now; what is built meanwhile is taken up."""
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
            self._validation()

    def choose_beside(self, entries: Sequence[Entry], name: str, *, strict: bool = True) -> Sequence[Entry]:
        """Return those entries of a state that the model may take.

        Raises CheckpointMismatch where `strict`, and one is another model's, or a lookup would stay empty; `name` is
        the state's.
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
        if variables is None and _forms(specs) != _forms(self.specs):  # a bare assignment would not mind
            raise CheckpointMismatch(
                f"The snapshot's {len(specs)} variables are not the model's {len(self.specs)}.",
                hint="Roll back with the model and optimizer that the snapshot was taken from.",
            )
        if state.missing:
            _log.warning("keepbest: What goes back to step %s is incomplete: %s", state.step, state.missing[0])
        self.put_beside(entries_in(state), lambda: self._put(variables or self._variables, state.values, places))

    def put_beside(self, entries: Sequence[Entry], put: Callable[[], object]) -> None:
        """Put entries into the model, then what `put` puts there, and have it compute anew what it made of both."""
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
        """Return the variables that a state of this training was taken of."""
        return next((variables for past, variables in reversed(self._past) if past == specs), None)

    def _find_lost(self, specs: tuple[VariableSpec, ...], variables: list[Any] | None) -> list[Difference]:
        """Return the model's variables that a state of this training holds, and the model no more."""
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
    """Return what the variables of `model` are, its optimizers built where a state of `specs` has values for them."""
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
    """Put `state` back into the living variables and the random generators. `state` stays as it was."""
    variables.put(state)
    restore_random(state.random, tensorflow=variables.is_eager)


def is_trained(variable: Any) -> bool:
    """Whether an optimizer may move it: it says so, and holds fractions."""
    dtype = variable.dtype.base_dtype
    return bool(variable.trainable) and bool(dtype.is_floating or dtype.is_complex)


def _same(some: Sequence[Any], others: Sequence[Any]) -> bool:
    return len(some) == len(others) and all(item is another for item, another in zip(some, others, strict=True))


def _forms(specs: Sequence[VariableSpec]) -> list[tuple[tuple[int, ...], str]]:
    return [(spec.shape, spec.dtype) for spec in specs]


def _assign(variable: Any, value: Any) -> None:
    """Assign by the bare operation: half the time of `Variable.assign`, and of one function with an argument each."""
    import tensorflow as tf

    if replicas := getattr(variable, "values", ()):  # its own handle is that of the first one only
        for replica in replicas:
            replica.assign(value)
        return
    try:
        handle = variable.handle
    except ValueError:
        variable.assign(value)
    else:
        tf.raw_ops.AssignVariableOp(resource=handle, value=value)
