"""Compares a checkpoint with a model, variable by variable, in the order in which both list them.

Keras numbers names per process (`dense_1`, `seed_generator_3`), and a network that Keras makes from its description has
`dense/kernel` where the first one had `sequential/dense/kernel`. So places and shapes must agree. Names must agree
apart from such numbers and prefixes, unless the name belongs to another place.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

from keepbest.errors import CheckpointMismatch, OptimizersDiffer
from keepbest.snapshots.state import VARIABLES, VariableSpec

_SHOWN = 20
#: The hint for a checkpoint that holds no words for the lookups of a network.
WORDLESS = (
    "An older version of keepbest, which did not keep vocabularies, wrote this checkpoint. Adapt the lookups of your "
    "own model to the run's data, and restore the rest: keepbest.restore(run, model, partial=True), or --into "
    "FILE.py:FUNCTION --partial."
)
#: A seed generator with the name that Keras gives it.
_SEED = re.compile(r"(^|/)seed_generator(_\d+)?/seed_generator_state$")


@dataclass(frozen=True)
class Difference:
    """One variable that does not fit. `mine` is the checkpoint's side, `theirs` the model's."""

    kind: Literal["missing", "extra", "name", "shape", "dtype"]
    collection: str
    index: int
    mine: str | None
    theirs: str | None

    def __str__(self) -> str:
        place = f"{self.collection}/{self.index}"
        if self.kind == "missing":
            return f"{place}: {self.mine} is in the checkpoint, not in the model"
        if self.kind == "extra":
            return f"{place}: {self.theirs} is in the model, not in the checkpoint"
        return f"{place}: {self.kind} {self.mine} in the checkpoint, {self.theirs} in the model"


def compare(checkpoint: Sequence[VariableSpec], model: Sequence[VariableSpec]) -> list[Difference]:
    """Return every difference of variables, without the optimizer's if the model has no optimizer."""
    collections = {spec.collection for spec in model} | {"model"}
    collections &= set(VARIABLES)
    mine = {(spec.collection, spec.index): spec for spec in checkpoint if spec.collection in collections}
    theirs = {(spec.collection, spec.index): spec for spec in model}
    places = _Places(list(mine.values()), list(theirs.values()))
    differences = []
    for key in sorted(mine.keys() | theirs.keys(), key=lambda key: (key[0] != "model", key[1])):
        difference = _compare_one(mine.get(key), theirs.get(key), places)
        if difference is not None:
            differences.append(difference)
    return differences


def refuse(differences: Sequence[Difference], checkpoint: str, hint: str | None = None) -> CheckpointMismatch:
    """Return the error that names every difference; `hint` replaces the usual hint."""
    lines = [f"  {difference}" for difference in differences[:_SHOWN]]
    if len(differences) > _SHOWN:
        lines.append(f"  … and {len(differences) - _SHOWN} more")
    message = f"Checkpoint {checkpoint} does not fit the model; {len(differences)} variables differ:\n"
    kind = OptimizersDiffer if _are_of_optimizers(differences) else CheckpointMismatch
    return kind(message + "\n".join(lines), hint=hint or _hint(differences))


def refuse_beside(lines: Sequence[str], empty: Sequence[str], checkpoint: str) -> CheckpointMismatch:
    """Return the error for vocabularies and tables that differ (`lines`) or that the checkpoint lacks (`empty`)."""
    shown = [f"  {line}" for line in [*lines, *empty][:_SHOWN]]
    own = "Adapt the layer to the run's own data, or do not adapt it: then the restore gives it what the run learned."
    message = "\n".join([f"Checkpoint {checkpoint} does not fit the model:", *shown])
    return CheckpointMismatch(message, hint=WORDLESS if empty else own)


def is_alike(variable_spec: VariableSpec, other: VariableSpec) -> bool:
    """Whether two names differ only in the numbers and prefixes that Keras makes up."""
    mine, theirs = _plain(variable_spec), _plain(other)
    # A wrapper that scales the loss may be around one of the two optimizers: one holder begins with the other.
    holder, other_holder = _holder(variable_spec), _holder(other)
    is_same_holder = holder.startswith(other_holder) or other_holder.startswith(holder)
    return is_same_holder and (mine.endswith(theirs) or theirs.endswith(mine))


class _Places:
    """The names and places of the variables on both sides."""

    def __init__(self, mine: Sequence[VariableSpec], theirs: Sequence[VariableSpec]) -> None:
        self._sides = mine, theirs
        self._names = [{(spec.collection, spec.path) for spec in specs} for specs in self._sides]

    @cached_property
    def _ranks(self) -> list[dict[VariableSpec, int]]:
        return [_rank(specs) for specs in self._sides]

    def is_same(self, variable_spec: VariableSpec, other: VariableSpec) -> bool:
        """Whether two names differ only in what Keras makes up, and the variables have not changed places.

        Another process may start its numbers elsewhere: `a_4, a_5` is `a_5, a_6` there, although both have an `a_5`.
        The number of a seed generator gives no place, only when Keras made it: a `Bidirectional` makes its backward
        layer last, but first when Keras makes it from its description.
        """
        if _SEED.search(variable_spec.path) and _SEED.search(other.path):
            return True
        mine, theirs = self._names
        moved = (variable_spec.collection, variable_spec.path) in theirs and (other.collection, other.path) in mine
        return is_alike(variable_spec, other) and (not moved or self._ranks[0][variable_spec] == self._ranks[1][other])


def _rank(specs: Sequence[VariableSpec]) -> dict[VariableSpec, int]:
    """Return each variable's rank, by its numbers, among the variables whose names differ by numbers alone."""
    groups: dict[tuple[str, str], set[tuple[int, ...]]] = {}
    for spec in specs:
        groups.setdefault((spec.collection, _plain(spec)), set()).add(_numbers(spec))
    ranks = {key: {number: rank for rank, number in enumerate(sorted(numbers))} for key, numbers in groups.items()}
    return {spec: ranks[spec.collection, _plain(spec)][_numbers(spec)] for spec in specs}


def _numbers(spec: VariableSpec) -> tuple[int, ...]:
    """Return the numbers in a name, 0 where a part of it has none."""
    return tuple(int(number or 0) for number in re.findall(r"[^/_]+(?:_(\d+))?(?=[_/]|$)", spec.path))


def _compare_one(mine: VariableSpec | None, theirs: VariableSpec | None, places: _Places) -> Difference | None:
    if mine is None or theirs is None:
        return _lone(mine, theirs)
    kind, item, other = _first_difference(mine, theirs, places)
    return None if kind is None else Difference(kind, mine.collection, mine.index, str(item), str(other))


def _first_difference(mine: VariableSpec, theirs: VariableSpec, places: _Places) -> tuple[Any, object, object]:
    if mine.shape != theirs.shape:
        return "shape", f"{mine.path} {list(mine.shape)}", f"{theirs.path} {list(theirs.shape)}"
    if mine.dtype != theirs.dtype:
        return "dtype", f"{mine.path} {mine.dtype}", f"{theirs.path} {theirs.dtype}"
    if mine.path != theirs.path and not places.is_same(mine, theirs):
        return "name", mine.path, theirs.path
    return None, None, None


def _lone(mine: VariableSpec | None, theirs: VariableSpec | None) -> Difference:
    if mine is not None:
        return Difference("missing", mine.collection, mine.index, f"{mine.path} {list(mine.shape)}", None)
    assert theirs is not None  # noqa: S101  # a place has at least one of the two
    return Difference("extra", theirs.collection, theirs.index, None, f"{theirs.path} {list(theirs.shape)}")


def _plain(spec: VariableSpec) -> str:
    """Return the name without numbers, and without the optimizer's name."""
    path = spec.path.rpartition("/")[2] if spec.collection == "optimizer" else spec.path
    return "/" + _unnumbered(path).replace("_", "/")


def _holder(spec: VariableSpec) -> str:
    """Return where an optimizer lies that is not the model's own: `first` of `first/adam/dense_kernel_momentum`."""
    return _unnumbered(spec.path.rpartition("/")[0].rpartition("/")[0]) if spec.collection == "optimizer" else ""


def _unnumbered(path: str) -> str:
    return re.sub(r"_\d+(?=[_/]|$)", "", path)


def _are_of_optimizers(differences: Sequence[Difference]) -> bool:
    return all(difference.collection == "optimizer" for difference in differences)


def _hint(differences: Sequence[Difference]) -> str:
    if _are_of_optimizers(differences):
        return (
            "Compile the model with the run's optimizer, leave it uncompiled to restore the network alone, or restore "
            "what fits: partial=True (--partial)."
        )
    if all(difference.kind == "missing" for difference in differences):
        return (
            "Build the model first (call it once, or give it an Input), or make it with the run's own function: "
            "--into FILE.py:FUNCTION."
        )
    return "Build the model with the code and parameters of the run, or load with strict=False what fits."
