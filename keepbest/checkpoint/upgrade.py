"""Gives checkpoints of older versions the present names.

Older versions listed an optimizer in a dict or list among the network's variables (`opt/sgd/iteration`). The present
one lists each optimizer as an optimizer, under its class (`sgd/sgd/iteration`).

The state of a stopper had other names: `looks` for validations.

Older versions did not write optimizers in attributes, nor vocabularies. Messages name these.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

from keepbest.model.saveables import Saveable
from keepbest.renamed import FIELDS
from keepbest.snapshots.compare import WORDLESS, Difference
from keepbest.snapshots.state import VariableSpec

#: The first two variables of every Keras optimizer.
_FIRST, _SECOND = "iteration", "learning_rate"
#: The old name of the weights of a lookup in the mode "tf_idf".
_WEIGHTS = "Variable"


def to_present(specs: Sequence[VariableSpec]) -> tuple[VariableSpec, ...]:
    """Return a checkpoint's descriptions, with optimizers listed as optimizers. The order stays."""
    fronts = _fronts_of(specs)
    if not fronts or any(spec.collection == "optimizer" for spec in specs):
        return tuple(specs)
    numbers: dict[str, int] = {}
    result: list[VariableSpec] = []
    for spec in (_move(spec, fronts) for spec in specs):
        result.append(replace(spec, index=numbers.get(spec.collection, 0)))
        numbers[spec.collection] = result[-1].index + 1
    return tuple(result)


def with_present_names(stopper: Any) -> Any:
    """Return the state of a stopper (nested JSON) with the present names of its keys."""
    if isinstance(stopper, dict):
        return {FIELDS.get(key, key): with_present_names(value) for key, value in stopper.items()}
    return [with_present_names(value) for value in stopper] if isinstance(stopper, list) else stopper


def describe_lost(specs: Sequence[VariableSpec], optimizers: Sequence[Saveable]) -> str | None:
    """Return a message about the optimizers that begin anew, because an older version did not keep them, or None."""
    kept = {spec.path for spec in specs if spec.collection == "optimizer"}
    lost = [(path, item) for path, item in optimizers if path and not any(name.startswith(f"{path}/") for name in kept)]
    if not lost:
        return None
    names = ", ".join(f"{path} ({type(item).__name__})" for path, item in lost)
    return f"An older version, which kept only the model's own optimizer, wrote it. These begin anew: {names}."


def advise(differences: Sequence[Difference]) -> str | None:
    """Return the hint for a checkpoint of an older version that holds the weights of lookups, but no words."""
    names = [item.mine for item in differences if item.kind == "missing" and item.mine is not None]
    return WORDLESS if any(name.startswith(f"{_WEIGHTS} [") for name in names) else None


def _fronts_of(specs: Sequence[VariableSpec]) -> dict[str, str]:
    """Return the old prefix of each optimizer's variables with the present one."""
    result: dict[str, str] = {}
    counts: dict[str, int] = {}
    for spec, following in pairwise(specs):
        front, _, name = spec.path.rpartition("/")
        is_optimizer = name == _FIRST and following.path == f"{front}/{_SECOND}"
        if is_optimizer and spec.collection == "model" and "/" in front:
            own = front.rpartition("/")[2]
            kind = re.sub(r"_\d+$", "", own)
            number = counts[kind] = counts.get(kind, -1) + 1
            result[f"{front}/"] = f"{kind}_{number}/{own}/" if number else f"{kind}/{own}/"
    return result


def _move(spec: VariableSpec, fronts: dict[str, str]) -> VariableSpec:
    front = next((text for text in fronts if spec.path.startswith(text)), None)
    if front is None or spec.collection != "model":
        return spec
    return replace(spec, collection="optimizer", path=fronts[front] + spec.path.removeprefix(front))
