"""Reads and sets the variables of a `tf.compat.v1` graph without adding anything to the graph.

Each variable has an operation that assigns its initial value. A session can feed any tensor. So keepbest runs that
operation and feeds its input, which sets the variable to any value. Placeholders and assignments of our own would grow
the graph, and a finalised graph would refuse them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from keepbest.checkpoint.files.dtypes import code_of
from keepbest.errors import CheckpointError, CheckpointMismatch, InvalidInput
from keepbest.snapshots.snapshot import VariableSet, is_trained
from keepbest.snapshots.state import State, VariableSpec

_INITIALIZERS = {"Assign", "AssignVariableOp"}
_SHOWN = 20


class GraphVariables(VariableSet):
    """The variables of one session: those named, or else all global ones, to which the graph must add none later.

    Raises:
        InvalidInput: A variable cannot be rolled back, because its initialiser is not one assignment.
        CheckpointError: A variable is of a type that a store does not hold, such as text.
    """

    is_eager = False

    def __init__(self, session: Any, variables: Sequence[Any] | None = None) -> None:
        self._session = session
        self._is_chosen = variables is not None
        named = {_name_of(variable): variable for variable in (self._list_global() if variables is None else variables)}
        self.names, self._variables = tuple(named), list(named.values())
        for variable in self._variables:
            code_of(_dtype_of(variable))
        self._inputs = [_find_input(variable) for variable in self._variables]
        self._rounds = list(_rounds(self._inputs))
        self.specs: tuple[VariableSpec, ...] = ()

    def __len__(self) -> int:
        return len(self._variables)

    @property
    def trained(self) -> Sequence[int]:
        return [place for place, variable in enumerate(self._variables) if is_trained(variable)]

    def are(self, other: VariableSet) -> bool:
        return self is other

    def read(self) -> tuple[Any, ...]:
        """Return the value of every variable, a read-only array; from here on `specs` describes them.

        Raises:
            CheckpointError: A variable has no value yet.
            CheckpointMismatch: The graph's variables have changed since this object was made.
        """
        import tensorflow as tf

        self._check_graph()
        try:
            values = self._session.run(self._variables)
        except tf.errors.FailedPreconditionError as error:
            raise CheckpointError(
                f"A variable has no value yet: {error.message.splitlines()[0]}",
                hint="Run tf.compat.v1.global_variables_initializer() first.",
            ) from error
        arrays = tuple(_freeze(value) for value in values)
        if [spec.shape for spec in self.specs] != [array.shape for array in arrays]:
            self.specs = tuple(
                VariableSpec("model", index, self.names[index], array.shape, _dtype_of(self._variables[index]))
                for index, array in enumerate(arrays)
            )
        return arrays

    def check(self, state: State) -> None:
        self._check_graph()
        if differences := list(self._compare(state.specs)):
            raise _refuse(differences, f"The state of step {state.step} ({state.id})", len(state.specs), len(self))

    def put(self, state: State) -> None:
        """Give every variable the value that the state has under its name."""
        self.check(state)
        by_name = {spec.path: value for spec, value in zip(state.specs, state.values, strict=True)}
        for places in self._rounds:
            feed = {self._inputs[place]: by_name[self.names[place]] for place in places}
            self._session.run([self._variables[place].initializer for place in places], feed)

    def _compare(self, specs: Sequence[VariableSpec]) -> Iterator[str]:
        """Yield every difference between a state and the graph, by name, because their orders may differ."""
        counts = Counter(spec.path for spec in specs)
        yield from (f"{name}: {count} variables of this name" for name, count in counts.items() if count > 1)
        mine = {spec.path: spec for spec in specs}
        theirs = dict(zip(self.names, self._variables, strict=True))
        for name in sorted(mine.keys() - theirs.keys()):
            yield f"{name} {list(mine[name].shape)}: not in the graph"
        for name, variable in theirs.items():
            if name not in mine:
                yield f"{name} {variable.shape}: only in the graph"
            elif not variable.shape.is_compatible_with(mine[name].shape):
                yield f"{name}: shape {list(mine[name].shape)}, in the graph {variable.shape}"
            elif mine[name].dtype != _dtype_of(variable):
                yield f"{name}: dtype {mine[name].dtype}, in the graph {_dtype_of(variable)}"

    def _check_graph(self) -> None:
        """Raise CheckpointMismatch if the graph has other variables now: states would silently leave them out."""
        if self._is_chosen:
            return
        late = {_name_of(variable) for variable in self._list_global()} ^ set(self.names)
        if late:
            raise CheckpointMismatch(
                f"The graph's variables are not those it had: {', '.join(sorted(late)[:_SHOWN])}.",
                hint="Make the Session after the whole graph, optimizer included.",
            )

    def _list_global(self) -> list[Any]:
        return list(self._session.graph.get_collection("variables"))  # the value of GraphKeys.GLOBAL_VARIABLES


def _find_input(variable: Any) -> Any:
    """Return the tensor that the initialiser of `variable` assigns."""
    operation = variable.initializer
    if operation is None or operation.type not in _INITIALIZERS:
        raise InvalidInput(
            f"Variable {_name_of(variable)} is not initialised by one assignment: it cannot be rolled back.",
            field="variables",
            hint="Name the variables to keep: Session(sess, variables=[…]).",
        )
    return operation.inputs[1]


def _rounds(inputs: Sequence[Any]) -> Iterator[list[int]]:
    """Yield groups of places whose inputs all differ: one run cannot feed two values to one input."""
    waiting = list(range(len(inputs)))
    while waiting:
        fed: dict[Any, int] = {}
        for place in waiting:
            fed.setdefault(inputs[place].ref(), place)
        yield list(fed.values())
        waiting = [place for place in waiting if place not in set(fed.values())]


def _refuse(differences: Sequence[str], what: str, mine: int, theirs: int) -> CheckpointMismatch:
    lines = [f"  {difference}" for difference in differences[:_SHOWN]]
    if len(differences) > _SHOWN:
        lines.append(f"  … and {len(differences) - _SHOWN} more")
    head = f"{what} has {mine} variables, the graph {theirs}; these differ:"
    return CheckpointMismatch(
        "\n".join([head, *lines]),
        hint="Build the graph that the state was taken from, or name the variables: Session(sess, variables=[…]).",
    )


def _name_of(variable: Any) -> str:
    """Return a variable's name, the same as in the files of `tf.train.Saver`."""
    return str(variable.op.name)


def _dtype_of(variable: Any) -> str:
    return str(variable.dtype.base_dtype.name)


def _freeze(value: Any) -> Any:
    import numpy as np

    array = np.asarray(value)
    array.flags.writeable = False
    return array
