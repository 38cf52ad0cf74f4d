"""The loss scale belongs to the precision of a training, not to the network: a checkpoint may go on under another.

Under `mixed_float16` Keras wraps the optimizer into one that scales the loss. The wrapper's own four variables stand
before those of the optimizer inside. A checkpoint written with them goes into a model without them, and the other way
round: then the scale begins as it does in a new training.
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
    """Return what a checkpoint offers as a model with or without a loss scale lists it, and what of the model is asked.

    What only one side has of the scale is left out.
    """
    theirs = list(theirs)
    mine, others = _scale_of(offered), _scale_of(theirs)
    if bool(mine) == bool(others):
        return dict(offered), theirs
    if mine:
        return {
            _moved(spec, -_before(spec, mine)): place for spec, place in offered.items() if spec not in mine
        }, theirs
    first = min(spec.index for spec in others)
    fitted = {_moved(spec, len(others) if _is_behind(spec, first) else 0): place for spec, place in offered.items()}
    return fitted, [spec for spec in theirs if spec not in others]


def _scale_of(specs: Iterable[VariableSpec]) -> set[VariableSpec]:
    """Return the variables of the one wrapper there is; none where there are several, which keep their places."""
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


def _is_behind(spec: VariableSpec, first: int) -> bool:
    return spec.collection == "optimizer" and spec.index >= first


def _moved(spec: VariableSpec, by: int) -> VariableSpec:
    return replace(spec, index=spec.index + by) if by else spec
