"""Reads what older versions wrote, under the present names.

An optimizer that lay in a dict or list of what was kept was once listed among the network's variables
(`opt/sgd/iteration`); by now each optimizer is listed as one, under its class (`sgd/sgd/iteration`).

What a stopper remembers had names of its own: its validations were `looks`.

What they did not write is said: optimizers on attributes, and vocabularies.
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

#: With what every optimizer of Keras' begins.
_FIRST, _SECOND = "iteration", "learning_rate"
#: How the weights of a lookup in the mode "tf_idf" were listed.
_WEIGHTS = "Variable"


def to_present(specs: Sequence[VariableSpec]) -> tuple[VariableSpec, ...]:
    """Return what a checkpoint holds, optimizers among the network's variables listed as optimizers; places stay."""
    fronts = _fronts_of(specs)
    if not fronts or any(spec.collection == "optimizer" for spec in specs):
        return tuple(specs)
    moved = [_move(spec, fronts) for spec in specs]
    numbers: dict[str, int] = {}
    result = []
    for spec in moved:
        result.append(replace(spec, index=numbers.get(spec.collection, 0)))
        numbers[spec.collection] = result[-1].index + 1
    return tuple(result)


def with_present_names(stopper: Any) -> Any:
    """Return what a stopper remembers, JSON however deep, with every key under its present name."""
    if isinstance(stopper, dict):
        return {FIELDS.get(key, key): with_present_names(value) for key, value in stopper.items()}
    return [with_present_names(value) for value in stopper] if isinstance(stopper, list) else stopper


def describe_lost(specs: Sequence[VariableSpec], optimizers: Sequence[Saveable]) -> str | None:
    """Return which optimizers of a model begin anew, since an older version did not keep them; None where none does."""
    kept = {spec.path for spec in specs if spec.collection == "optimizer"}
    lost = [(path, item) for path, item in optimizers if path and not any(name.startswith(f"{path}/") for name in kept)]
    if not lost:
        return None
    names = ", ".join(f"{path} ({type(item).__name__})" for path, item in lost)
    return f"An older version wrote it, which kept the model's own optimizer alone. What begins anew: {names}."


def advise(differences: Sequence[Difference]) -> str | None:
    """Return what to do about a checkpoint of an older version that holds the weights of lookups, and no words."""
    names = [
        difference.mine for difference in differences if difference.kind == "missing" and difference.mine is not None
    ]
    return WORDLESS if any(name.startswith(f"{_WEIGHTS} [") for name in names) else None


def _fronts_of(specs: Sequence[VariableSpec]) -> dict[str, str]:
    """Return what stands before the variables of each optimizer, and what stands there by now."""
    result: dict[str, str] = {}
    counts: dict[str, int] = {}
    for variable_spec, other in pairwise(specs):
        front, _, name = variable_spec.path.rpartition("/")
        if (
            variable_spec.collection == "model"
            and "/" in front
            and name == _FIRST
            and other.path == f"{front}/{_SECOND}"
        ):
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
