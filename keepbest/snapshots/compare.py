"""Whether a checkpoint fits a model: variable by variable, in the order in which both list them.

Keras numbers names per process (`dense_1`, `seed_generator_3`), and a network that is made again from its description
says `dense/kernel` where the first one said `sequential/dense/kernel`. So the place decides and the shape; a name is
only held against a variable when it differs by more than that, or when it belongs to another place.
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
#: What to do about a checkpoint that holds no words for the lookups of a network.
WORDLESS = (
    "An older version wrote it, which did not keep vocabularies. Adapt the lookups of a model of yours to the run's "
    "data, and take the rest: keepbest.restore(run, model, partial=True), or --into FILE.py:FUNCTION --partial."
)
#: A seed generator that nobody gave a name.
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
    """Return every difference of variables; the optimizer's are left out where the model has no optimizer."""
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
    """Return the error that names every difference; `hint` in place of the usual one."""
    lines = [f"  {difference}" for difference in differences[:_SHOWN]]
    if len(differences) > _SHOWN:
        lines.append(f"  … and {len(differences) - _SHOWN} more")
    message = f"Checkpoint {checkpoint} does not fit the model; {len(differences)} variables differ:\n"
    kind = OptimizersDiffer if _are_of_optimizers(differences) else CheckpointMismatch
    return kind(message + "\n".join(lines), hint=hint or _hint(differences))


def refuse_beside(lines: Sequence[str], empty: Sequence[str], checkpoint: str) -> CheckpointMismatch:
    """Return the error that names what lies beside the variables: another one in the model, or `empty`."""
    shown = [f"  {line}" for line in [*lines, *empty][:_SHOWN]]
    own = "Adapt the layer to the run's own data, or leave it as it is made: then it gets what the run learned."
    message = "\n".join([f"Checkpoint {checkpoint} does not fit the model:", *shown])
    return CheckpointMismatch(message, hint=WORDLESS if empty else own)


def is_alike(variable_spec: VariableSpec, other: VariableSpec) -> bool:
    """Whether two names differ only in what Keras makes up: numbers, and what stands in front."""
    mine, theirs = _plain(variable_spec), _plain(other)
    return _lie_together(_holder(variable_spec), _holder(other)) and (mine.endswith(theirs) or theirs.endswith(mine))


class _Places:
    """Which names stand on which places, on both sides."""

    def __init__(self, mine: Sequence[VariableSpec], theirs: Sequence[VariableSpec]) -> None:
        self._sides = mine, theirs

    @cached_property
    def _names(self) -> list[set[tuple[str, str]]]:
        return [{(spec.collection, spec.path) for spec in specs} for specs in self._sides]

    @cached_property
    def _ranks(self) -> list[dict[VariableSpec, int]]:
        return [_rank(specs) for specs in self._sides]

    def is_same(self, variable_spec: VariableSpec, other: VariableSpec) -> bool:
        """Whether two names differ only in what Keras makes up, and the variables did not change places.

        Another process may begin to number elsewhere: `a_4, a_5` is `a_5, a_6` there, although both have an `a_5`.
        The number of a seed generator says when it was made, which is no place: a `Bidirectional` makes its backward
        layer last, and first where it is made again from its description.
        """
        if _SEED.search(variable_spec.path) and _SEED.search(other.path):
            return True
        mine, theirs = self._names
        moved = (variable_spec.collection, variable_spec.path) in theirs and (other.collection, other.path) in mine
        return is_alike(variable_spec, other) and (not moved or self._ranks[0][variable_spec] == self._ranks[1][other])


def _rank(specs: Sequence[VariableSpec]) -> dict[VariableSpec, int]:
    """Return at which place each stands, by its numbers, among those whose names differ by numbers alone."""
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
    assert theirs is not None  # noqa: S101  # one of the two is there, or there would be no place
    return Difference("extra", theirs.collection, theirs.index, None, f"{theirs.path} {list(theirs.shape)}")


def _plain(spec: VariableSpec) -> str:
    """Return the name without numbers, and without the optimizer's own, which is another thing than a prefix."""
    path = spec.path.rpartition("/")[2] if spec.collection == "optimizer" else spec.path
    return "/" + _unnumbered(path).replace("_", "/")


def _holder(spec: VariableSpec) -> str:
    """Return what an optimizer lies in that is not the model's own: `first` of `first/adam/dense_kernel_momentum`."""
    return _unnumbered(spec.path.rpartition("/")[0].rpartition("/")[0]) if spec.collection == "optimizer" else ""


def _lie_together(text: str, other: str) -> bool:
    """Whether both are on one attribute; a wrapper that scales the loss may be around one of them."""
    return text.startswith(other) or other.startswith(text)


def _unnumbered(path: str) -> str:
    return re.sub(r"_\d+(?=[_/]|$)", "", path)


def _are_of_optimizers(differences: Sequence[Difference]) -> bool:
    return all(difference.collection == "optimizer" for difference in differences)


def _hint(differences: Sequence[Difference]) -> str:
    if _are_of_optimizers(differences):
        return (
            "Compile the model with the run's optimizer, leave it uncompiled to take the network alone, or take what "
            "fits: partial=True (--partial)."
        )
    if all(difference.kind == "missing" for difference in differences):
        return (
            "Build the model first (call it once, or give it an Input), or make it with the run's own function: "
            "--into FILE.py:FUNCTION."
        )
    return "Build the model with the code and parameters of the run, or load with strict=False what fits."
