"""Layers and optimizers that the model builds in the middle of training: their first values, and restoring them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from keepbest.model.saveables import saveables_of
from keepbest.model.variables import Named, TrainedObject, held_by, value_of
from keepbest.snapshots.compare import is_alike
from keepbest.snapshots.state import VariableSpec

_log = logging.getLogger("keepbest")
_SHOWN = 5


def begin_anew(trained: TrainedObject, given: set[int]) -> None:
    """Give the variables that are newer than a state their first values; log those whose first value is unknown.

    `given` are the ids of the variables that the state holds.
    """
    first = dict(_first_values(trained, given))
    unknown = []
    for path, variable in [*trained.variables(), *trained.optimizer_variables()]:
        value = value_of(variable)
        if id(value) in first:
            value.assign(first[id(value)])
        elif id(value) not in given:
            unknown.append(path)
    if unknown:
        more = f" and {len(unknown) - _SHOWN} more" if len(unknown) > _SHOWN else ""
        _log.warning(
            "keepbest: %s%s are newer than the state that training went back to; they keep their present values.",
            ", ".join(unknown[:_SHOWN]),
            more,
        )


def _first_values(trained: TrainedObject, given: set[int]) -> Iterator[tuple[int, Any]]:
    """Yield the first values of optimizer variables: a fresh optimizer, built for the same variables, has them."""
    for _, optimizer in trained.named_optimizers():
        held = held_by(optimizer)
        lone = [item for item in held if id(value_of(item)) not in given]
        fresh = _build_another(optimizer, getattr(optimizer, "_trainable_variables", [])) if lone else None
        if fresh is not None and len(held_by(fresh)) == len(held):
            missing = {id(value_of(item)) for item in lone}
            for item, other in zip(held, held_by(fresh), strict=True):
                if id(value_of(item)) in missing:
                    yield id(value_of(item)), value_of(other)


def build_for(trained: TrainedObject, specs: Sequence[VariableSpec]) -> bool:
    """Build the optimizers that have no variables yet, but values in a checkpoint of `specs`; return if there are any.

    An optimizer does not say which variables it will train. So this tries the variables of the whole model first, then
    those of each part.
    """
    wanted = [spec for spec in specs if spec.collection == "optimizer"]
    known = trained.all_optimizers()
    fronts = tuple(f"{path}/" for path, _ in known if path)
    unbuilt = [pair for pair in known if not getattr(pair[1], "built", True)]
    for path, optimizer in unbuilt:
        group = [spec for spec in wanted if spec.path.startswith(f"{path}/" if path else fronts) == bool(path)]
        if len(group) > len(held_by(optimizer)):
            _build(optimizer, list(_candidates(trained)), path, group)
    return any(optimizer.built for _, optimizer in unbuilt)


def _build(optimizer: Any, candidates: list[list[Any]], path: str, group: Sequence[VariableSpec]) -> None:
    fresh = [_build_another(optimizer, variables) for variables in candidates]
    by_name: Callable[[VariableSpec, VariableSpec], bool] = lambda spec, other: spec.path == other.path  # noqa: E731
    for is_same in (by_name, is_alike):
        for variables, other in zip(candidates, fresh, strict=True):
            if other is None or _fits(_specs_of(other, path), group, is_same):
                optimizer.build(variables)
                return
    if not path and candidates:  # the network differs: the comparison finds later what fits
        optimizer.build(candidates[0])


def _candidates(trained: TrainedObject) -> Iterator[list[Any]]:
    import keras

    if not isinstance(trained.kept, keras.Layer):
        yield [variable for _, variable in trained.variables() if variable.trainable]
    for _, thing in saveables_of(trained.kept):
        if isinstance(thing, keras.Layer) and thing.trainable_variables:
            yield thing.trainable_variables


def _build_another(optimizer: Any, variables: list[Any]) -> Any:
    """Return a fresh optimizer like this one, or None if its configuration is not enough to make one."""
    try:
        fresh = type(optimizer).from_config(optimizer.get_config())
        fresh.build(variables)
    except Exception:  # a user's own optimizer may raise anything
        return None
    return fresh


def _specs_of(optimizer: Any, path: str) -> list[VariableSpec]:
    named: list[Named] = [(item.path, value_of(item)) for item in held_by(optimizer)]
    front = f"{path}/" if path else ""
    return [
        VariableSpec("optimizer", place, front + name, tuple(item.shape), item.dtype.base_dtype.name)
        for place, (name, item) in enumerate(named)
    ]


def _fits(
    mine: Sequence[VariableSpec],
    group: Sequence[VariableSpec],
    is_same: Callable[[VariableSpec, VariableSpec], bool],
) -> bool:
    """Whether the checkpoint has a value for each of an optimizer's variables, and for no others."""
    if len(mine) != len(group):
        return False
    return all(
        (variable_spec.shape, variable_spec.dtype) == (other.shape, other.dtype) and is_same(variable_spec, other)
        for variable_spec, other in zip(mine, group, strict=True)
    )
