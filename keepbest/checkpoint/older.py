"""What older versions wrote, in the words of this one.

An optimizer that lay in a dict or list of what was kept was once listed among the network's variables
(`opt/sgd/iteration`); by now each optimizer is listed as one, under its class (`sgd/sgd/iteration`).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

from keepbest.snapshots.state import VariableSpec

#: With what every optimizer of Keras' begins.
_FIRST, _SECOND = "iteration", "learning_rate"


def to_present(specs: Sequence[VariableSpec]) -> tuple[VariableSpec, ...]:
    """Return what a checkpoint holds, optimizers among the network's variables listed as optimizers; places stay."""
    fronts = _fronts_of(specs)
    if not fronts or any(spec.collection == "optimizer" for spec in specs):
        return tuple(specs)
    moved = [_move(spec, fronts) for spec in specs]
    numbers: dict[str, int] = {}
    found = []
    for spec in moved:
        found.append(replace(spec, index=numbers.get(spec.collection, 0)))
        numbers[spec.collection] = found[-1].index + 1
    return tuple(found)


def _fronts_of(specs: Sequence[VariableSpec]) -> dict[str, str]:
    """Return what stands before the variables of each optimizer, and what stands there by now."""
    found: dict[str, str] = {}
    counts: dict[str, int] = {}
    for one, other in pairwise(specs):
        front, _, name = one.path.rpartition("/")
        if one.collection == "model" and "/" in front and name == _FIRST and other.path == f"{front}/{_SECOND}":
            own = front.rpartition("/")[2]
            kind = re.sub(r"_\d+$", "", own)
            number = counts[kind] = counts.get(kind, -1) + 1
            found[f"{front}/"] = f"{kind}_{number}/{own}/" if number else f"{kind}/{own}/"
    return found


def _move(spec: VariableSpec, fronts: dict[str, str]) -> VariableSpec:
    front = next((one for one in fronts if spec.path.startswith(one)), None)
    if front is None or spec.collection != "model":
        return spec
    return replace(spec, collection="optimizer", path=fronts[front] + spec.path.removeprefix(front))
