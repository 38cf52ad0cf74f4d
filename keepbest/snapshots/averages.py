"""Averaged weights: a running average of each trained variable, which lies among the optimizer's variables.

Training goes on with the raw values; measured and used are the averages (Polyak and Juditsky, Acceleration of
Stochastic Approximation by Averaging, 1992). A state holds both, and says which variable is the average of which.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import count
from typing import Any

from keepbest.model.variables import value_of
from keepbest.snapshots.snapshot import ModelVariables, VariableSet
from keepbest.snapshots.state import State, VariableSpec, variables_of

#: From the place of a trained variable to that of its average.
Averages = Mapping[int, int]

#: How Keras calls an average: `adam/dense_kernel_average`.
_SUFFIX = "_average"


def find_averages(model: Any) -> dict[int, int]:
    """Return the places in a state of `model`; nothing where its optimizer keeps no averages."""
    places = {id(variable): place for place, variable in enumerate(variables_of(model))}
    result: dict[int, int] = {}
    for optimizer in _all_of(innermost(model.optimizer)):  # Keras tells nobody which belongs to which
        averages = getattr(optimizer, "_model_variables_moving_average", ())
        pairs = zip(getattr(optimizer, "_trainable_variables", ()), averages, strict=False)
        known = [(value_of(item), value_of(other)) for item, other in pairs if other is not None]
        result |= {places[id(item)]: places[id(other)] for item, other in known}
    return result


def _all_of(optimizer: Any) -> Sequence[Any]:
    """Return the optimizers that a MultiOptimizer holds; else the one."""
    held = getattr(optimizer, "optimizers", None)
    return held if isinstance(held, Sequence) else [optimizer]


def innermost(optimizer: Any) -> Any:
    """Return the optimizer that moves the variables: LossScaleOptimizer wraps it."""
    return getattr(optimizer, "inner_optimizer", optimizer)


def use(state: State) -> State:
    """Return `state` as it is measured and used: each trained variable has the value of its average."""
    if not state.averages:
        return state
    return replace(state, values=[state.values[state.averages.get(place, place)] for place in range(len(state.specs))])


def with_measured(state: State, measured: Mapping[int, Any]) -> State:
    """Return `state` with the values that were measured in place of some of its variables, by their places."""
    specs = [
        VariableSpec("measured", number, state.specs[place].path, state.specs[place].shape, state.specs[place].dtype)
        for number, place in enumerate(measured)
    ]
    averages = {place: len(state.specs) + number for number, place in enumerate(measured)}
    values = (*state.values, *measured.values())
    return replace(state, specs=(*state.specs, *specs), values=values, averages={**state.averages, **averages})


@contextmanager
def put_in_place(variables: VariableSet, averages: Averages) -> Iterator[None]:
    """Give the trained variables their averages for as long as this lasts; nothing else is touched."""
    if not averages:
        yield
        return
    assert isinstance(variables, ModelVariables)  # noqa: S101  # only a Keras model's optimizer averages
    values = variables.read()
    variables.assign({place: values[average] for place, average in averages.items()})
    try:
        yield
    finally:
        variables.assign({place: values[place] for place in averages})


def find_used(
    specs: Sequence[VariableSpec], averages: Averages, theirs: Sequence[VariableSpec]
) -> dict[VariableSpec, int]:
    """Return what a model of `theirs` is offered to be used: each variable, with the place in `specs` of its value.

    What was measured in their place is no variable. Averages themselves are left out where the optimizer keeps none:
    those behind them move up.
    """
    places = {spec: averages.get(at, at) for at, spec in enumerate(specs) if spec.collection != "measured"}
    if not averages or any(_is_average(spec) for spec in theirs):
        return places
    own = set(averages.values()) | {at for at, spec in enumerate(specs) if _is_average(spec)}
    numbers: dict[str, Iterator[int]] = defaultdict(count)
    return {
        replace(spec, index=next(numbers[spec.collection])): places[spec]
        for place, spec in enumerate(specs)
        if place not in own
    }


def _is_average(spec: VariableSpec) -> bool:
    return spec.collection == "optimizer" and spec.path.endswith(_SUFFIX)
