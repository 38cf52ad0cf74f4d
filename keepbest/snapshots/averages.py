"""Averaged weights: the optimizer holds a running average of each trained variable among its own variables.

Training goes on with the raw values. Validations and predictions use the averages (Polyak and Juditsky, Acceleration of
Stochastic Approximation by Averaging, 1992). A state holds both, and `averages` names the pairs.
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

#: From the place of a trained variable to the place of its average.
Averages = Mapping[int, int]

#: The end of the name that Keras gives an average: `adam/dense_kernel_average`.
_SUFFIX = "_average"


def find_averages(model: Any) -> dict[int, int]:
    """Return the places of the averages in a state of `model`; none if its optimizer keeps no averages."""
    places = {id(variable): place for place, variable in enumerate(variables_of(model))}
    result: dict[int, int] = {}
    inner = innermost(model.optimizer)
    several = getattr(inner, "optimizers", None)  # of a MultiOptimizer
    for optimizer in several if isinstance(several, Sequence) else [inner]:
        averages = getattr(optimizer, "_model_variables_moving_average", ())
        pairs = zip(getattr(optimizer, "_trainable_variables", ()), averages, strict=False)
        known = [(value_of(item), value_of(other)) for item, other in pairs if other is not None]
        result |= {places[id(item)]: places[id(other)] for item, other in known}
    return result


def innermost(optimizer: Any) -> Any:
    """Return the optimizer that moves the variables: LossScaleOptimizer wraps it."""
    return getattr(optimizer, "inner_optimizer", optimizer)


def use(state: State) -> State:
    """Return `state` as validations and predictions use it: each trained variable has the value of its average."""
    if not state.averages:
        return state
    return replace(state, values=[state.values[state.averages.get(place, place)] for place in range(len(state.specs))])


def with_measured(state: State, measured: Mapping[int, Any]) -> State:
    """Return `state` with further values: `measured` are those that the validation used, by the variables' places."""
    specs = [
        VariableSpec("measured", number, state.specs[place].path, state.specs[place].shape, state.specs[place].dtype)
        for number, place in enumerate(measured)
    ]
    averages = {place: len(state.specs) + number for number, place in enumerate(measured)}
    values = (*state.values, *measured.values())
    return replace(state, specs=(*state.specs, *specs), values=values, averages={**state.averages, **averages})


@contextmanager
def put_in_place(variables: VariableSet, averages: Averages) -> Iterator[None]:
    """Give the trained variables their averages while this lasts, and no other variable."""
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
    """Return the variables that a model of `theirs` gets for use, each with the place in `specs` of its value.

    Measured values are no variables of their own. If the model's optimizer keeps no averages, the averages are left out
    and later variables move up.
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
