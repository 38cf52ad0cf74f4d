"""Fits a checkpoint with a loss scale into a model without one, and the other way round.

Under `mixed_float16` Keras wraps the optimizer into one that scales the loss. The wrapper's four variables come before
those of the optimizer inside. The scale belongs to the precision and not to the network, so training may go on from a
checkpoint under another precision: the scale then starts as in a new training.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from keepbest.snapshots.state import VariableSpec

SCALE = "dynamic_scale"
_OWN = ("iteration", "learning_rate", "step_counter", SCALE)


def fit_scale(
    offered: Mapping[VariableSpec, int], theirs: Iterable[VariableSpec]
) -> tuple[dict[VariableSpec, int], list[VariableSpec]]:
    """Return the checkpoint's variables with the model's numbers, and the model's variables that they can fill.

    Variables of the scale that only one side has are left out.
    """
    theirs = list(theirs)
    mine, others = _scale_of(offered), _scale_of(theirs)
    if bool(mine) == bool(others):
        return dict(offered), theirs
    if mine:
        return {
            _moved(spec, -_before(spec, mine)): place for spec, place in offered.items() if spec not in mine
        }, theirs
    first, fitted = min(spec.index for spec in others), {}
    for spec, place in offered.items():
        is_behind = spec.collection == "optimizer" and spec.index >= first
        fitted[_moved(spec, len(others) if is_behind else 0)] = place
    return fitted, [spec for spec in theirs if spec not in others]


def _scale_of(specs: Iterable[VariableSpec]) -> set[VariableSpec]:
    """Return the variables of the only wrapper. The variables of several wrappers keep their places: return none."""
    variable_specs = [spec for spec in specs if spec.collection == "optimizer"]
    fronts = {front for front, _, name in (spec.path.rpartition("/") for spec in variable_specs) if name == SCALE}
    if len(fronts) != 1:
        return set()
    (front,) = fronts
    return {spec for spec in variable_specs if spec.path in {f"{front}/{name}" for name in _OWN}}


def _before(spec: VariableSpec, left_out: set[VariableSpec]) -> int:
    return sum(
        variable_spec.collection == spec.collection and variable_spec.index < spec.index for variable_spec in left_out
    )


def _moved(spec: VariableSpec, by: int) -> VariableSpec:
    return replace(spec, index=spec.index + by) if by else spec
