"""Snapshots in memory: the training state by reference, a ring of them, and the way back.

Reading a TensorFlow variable gives a tensor that shares the variable's buffer, and the next update of the variable
copies the buffer first because somebody else still holds it (copy on write). So keeping a state is holding
references, and rolling back is assigning them. All are read by one call of one `tf.function`, since a Python call for
each of hundreds of variables is what would take the time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from keepbest.errors import CheckpointMismatch
from keepbest.state import Position, State, VariableSpec, capture_random, restore_random, specs_of, variables_of

#: Of the memory that is free, what a ring may take where nothing else is said.
FREE_MEMORY_SHARE = 0.25


class Variables:
    """All variables of a model and its optimizer, as they are when this is made (once a `fit`)."""

    def __init__(self, model: Any) -> None:
        self.specs = specs_of(model)
        self._variables = variables_of(model)
        self._read: Any = None

    def __len__(self) -> int:
        return len(self._variables)

    def are(self, other: Variables) -> bool:
        """Whether both are the very same variables."""
        mine, theirs = self._variables, other._variables
        return len(mine) == len(theirs) and all(one is another for one, another in zip(mine, theirs, strict=True))

    def read(self) -> tuple[Any, ...]:
        """Return a tensor for each variable; no later training changes them. The first call traces (some 100 ms)."""
        if self._read is None:
            self._read = _compile_read(self._variables)
        return tuple(self._read())

    def assign(self, values: Mapping[int, Any]) -> None:
        """Give the variables at these places their tensors, by reference."""
        for place, value in values.items():
            _assign(self._variables[place], value)


def capture(variables: Variables, *, position: Position, stopper: Mapping[str, Any] | None = None) -> State:
    """Return the present state by reference. Milliseconds at most, whatever the model's size."""
    return State(
        position=position,
        specs=variables.specs,
        values=variables.read(),
        stopper=stopper or {},
        random=capture_random(),
    )


def roll_back(variables: Variables, state: State) -> None:
    """Put `state` back into the living variables and the random generators. `state` stays as it was."""
    if _forms(state.specs) != _forms(variables.specs):  # a bare assignment would not mind
        raise CheckpointMismatch(
            f"The snapshot's {len(state.specs)} variables are not the model's {len(variables.specs)}.",
            hint="Roll back with the model and optimizer that the snapshot was taken from.",
        )
    variables.assign(dict(enumerate(state.values)))
    restore_random(state.random)


class Ring:
    """The newest snapshots and the best one, within a number and a memory budget.

    The oldest that is not the best goes first; the best stays, also where it alone is over the budget. Every
    snapshot counts its full size, although it shares unchanged variables with the others.
    """

    def __init__(self, count: int = 3, budget_bytes: int | None = None) -> None:
        self.count = count
        self.budget_bytes = free_memory_bytes() * FREE_MEMORY_SHARE if budget_bytes is None else budget_bytes
        self._states: list[State] = []
        self._best: State | None = None

    def keep(self, state: State, *, best: bool = False) -> None:
        """Add `state`; drop what is then too much."""
        self._states.append(state)
        if best:
            self._best = state
        while self._is_over() and (oldest := self._find_oldest()) is not None:
            self._states.remove(oldest)

    @property
    def best(self) -> State | None:
        return self._best

    @property
    def states(self) -> tuple[State, ...]:
        """What is held, oldest first."""
        return tuple(self._states)

    def find(self, step: int) -> State | None:
        """Return the newest snapshot of `step`, or None."""
        return next((state for state in reversed(self._states) if state.step == step), None)

    def forget(self) -> None:
        """Drop everything."""
        self._states, self._best = [], None

    def _is_over(self) -> bool:
        size_bytes = sum(state.size_bytes for state in self._states)
        return len(self._states) > self.count or size_bytes > self.budget_bytes

    def _find_oldest(self) -> State | None:
        return next((state for state in self._states if state is not self._best), None)


def free_memory_bytes() -> int:
    """Return the memory that this machine can still give, or 4 GiB where it does not say."""
    try:
        with open("/proc/meminfo", encoding="ascii") as lines:
            return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))
    except (OSError, StopIteration):
        return 4 * 2**30


def _forms(specs: Sequence[VariableSpec]) -> list[tuple[tuple[int, ...], str]]:
    return [(spec.shape, spec.dtype) for spec in specs]


def _compile_read(variables: list[Any]) -> Any:
    """Return a function that returns all values. Calling the traced function itself saves a fifth of the time."""
    import tensorflow as tf

    @tf.function(autograph=False)  # type: ignore[untyped-decorator]  # TensorFlow ships no types
    def read() -> list[Any]:
        return [_read(variable) for variable in variables]

    return read.get_concrete_function()


def _read(variable: Any) -> Any:
    """Read by the bare operation: half the time of tracing `read_value`."""
    import tensorflow as tf

    try:
        handle = variable.handle
    except ValueError:  # a distributed variable has no handle of its own
        return variable.read_value()
    return tf.raw_ops.ReadVariableOp(resource=handle, dtype=variable.dtype)


def _assign(variable: Any, value: Any) -> None:
    """Assign by the bare operation: half the time of `Variable.assign`, and of one function with an argument each."""
    import tensorflow as tf

    try:
        handle = variable.handle
    except ValueError:
        variable.assign(value)
    else:
        tf.raw_ops.AssignVariableOp(resource=handle, value=value)
