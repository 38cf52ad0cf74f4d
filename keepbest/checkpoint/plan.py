"""Plans a restore into a changed network: which variable of the checkpoint goes into which variable of the model.

If nothing differs, places decide (`keepbest.snapshots.compare`). Otherwise variables are paired in this order: those
that the caller renames; those of the same name and form (shape and type); those whose names differ only by Keras'
numbers; those of the same last name and form, in order; and those of the same name but another form. A slot of the
optimizer follows its variable.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Literal

from keepbest.errors import CheckpointMismatch, InvalidInput
from keepbest.snapshots.compare import compare, is_alike
from keepbest.snapshots.state import VariableSpec

Kind = Literal["same", "renamed", "shape", "dtype", "missing", "new"]
Pairs = dict[VariableSpec, VariableSpec]
_SHOWN = 20


@dataclass(frozen=True)
class Row:
    """One variable: `mine` in the checkpoint, `theirs` in the model; `asked` if the caller renamed it."""

    kind: Kind
    mine: VariableSpec | None
    theirs: VariableSpec | None
    asked: bool = False

    @property
    def fits(self) -> bool:
        return self.kind in ("same", "renamed")

    def __str__(self) -> str:
        sides = [
            f"{side.collection}/{side.path} {list(side.shape)} {side.dtype}"
            for side in (self.mine, self.theirs)
            if side
        ]
        return f"{self.kind}: {' -> '.join(sides)}"


@dataclass(frozen=True)
class RestorePlan:
    """What a restore would do: the model's rows first, then the optimizer's."""

    checkpoint: str
    rows: tuple[Row, ...]

    @property
    def is_same(self) -> bool:
        return all(row.kind == "same" for row in self.rows)

    @property
    def fitting(self) -> tuple[int, int]:
        """How many of the network's variables in the checkpoint fit, and how many there are."""
        rows = [row for row in self.rows if row.mine is not None and row.mine.collection == "model"]
        return sum(row.fits for row in rows), len(rows)

    def check(self, *, partial: bool) -> None:
        """Raise CheckpointMismatch unless every variable fits, by itself or by a rename.

        `partial` allows variables that do not fit, but at least one must: otherwise the network would stay random.
        """
        wrong = [row for row in self.rows if row.kind != "same" and not (row.asked and row.fits)]
        if not wrong:
            return
        if not partial:
            hint = "Restore what fits with --partial (partial=True); for other names, --map OLD=NEW (renames={...})."
            raise self._refuse(f"{len(wrong)} variables differ", wrong, hint)
        if not self.fitting[0]:
            hint = "Give --map OLD=NEW (renames={...}) for other names; a model that is not built yet has no variables."
            raise self._refuse(f"none of its network's {self.fitting[1]} variables fits", wrong, hint)

    def _refuse(self, what: str, wrong: Sequence[Row], hint: str) -> CheckpointMismatch:
        lines = [f"  {row}" for row in wrong[:_SHOWN]]
        more = [f"  … and {len(wrong) - _SHOWN} more"] if len(wrong) > _SHOWN else []
        first = f"Checkpoint {self.checkpoint} does not fit the model; {what}:"
        return CheckpointMismatch("\n".join([first, *lines, *more]), hint=hint)


def make_plan(
    checkpoint: str,
    mine: Sequence[VariableSpec],
    theirs: Sequence[VariableSpec],
    renames: Mapping[str, str] | None = None,
) -> RestorePlan:
    """Plan a restore. `renames` maps a variable's path in the checkpoint, or its first parts, to that in the model.

    The plan leaves out the optimizer if the model has none. Raises InvalidInput for a name that nothing has.
    """
    collections = {spec.collection for spec in theirs} | {"model"}
    mine = [spec for spec in mine if spec.collection in collections]
    if not renames and not compare(mine, theirs):
        places = {(spec.collection, spec.index): spec for spec in theirs}
        return RestorePlan(checkpoint, tuple(Row("same", spec, places[spec.collection, spec.index]) for spec in mine))
    renamed = _pair_renamed(_of("model", mine), _of("model", theirs), renames or {})
    pairs = _pair_model(_of("model", mine), _of("model", theirs), renamed)
    slots = _pair_slots(_of("optimizer", mine), _of("optimizer", theirs), _of("model", mine), pairs)
    prefixes = tuple(f"{_flat(spec)}_" for spec in renamed)
    renamed_slots = {spec for spec in slots if _slot(spec)[1].startswith(prefixes)}
    return RestorePlan(checkpoint, tuple(_rows(mine, theirs, {**pairs, **slots}, {*renamed, *renamed_slots})))


def _of(collection: str, specs: Sequence[VariableSpec]) -> list[VariableSpec]:
    return [spec for spec in specs if spec.collection == collection]


# The model's variables


def _pair_renamed(mine: list[VariableSpec], theirs: list[VariableSpec], renames: Mapping[str, str]) -> Pairs:
    paths = {spec.path: spec for spec in theirs}
    pairs: Pairs = {}
    for old, new in renames.items():
        moved = {spec: new + spec.path[len(old) :] for spec in mine if f"{spec.path}/".startswith(f"{old}/")}
        if not moved:
            raise _unknown(old, "checkpoint", [spec.path for spec in mine])
        result = {spec: paths[path] for spec, path in moved.items() if path in paths}
        if not result:
            raise _unknown(new, "model", list(paths))
        pairs |= result
    return pairs


def _unknown(name: str, where: str, paths: list[str]) -> InvalidInput:
    known = list(dict.fromkeys([*paths, *(path.rpartition("/")[0] for path in paths)]))
    close = get_close_matches(name, known, 3, 0.3)
    hint = f"The nearest: {', '.join(close)}." if close else None
    return InvalidInput(f"The {where} has no variable {name!r}.", field="map", hint=hint)


def _pair_model(mine: list[VariableSpec], theirs: list[VariableSpec], renamed: Pairs) -> Pairs:
    pairs = dict(renamed)
    keys: list[Callable[[VariableSpec], Hashable]] = [
        lambda spec: (spec.path, spec.shape, spec.dtype),
        lambda spec: (spec.path.rpartition("/")[2], spec.shape, spec.dtype),
        lambda spec: spec.path,
    ]
    for number, key in enumerate(keys):
        pairs |= _pair_by(*_left(mine, theirs, pairs), key)
        if number == 0:
            pairs |= _pair_alike(*_left(mine, theirs, pairs))
    return pairs


def _left(
    mine: list[VariableSpec], theirs: list[VariableSpec], pairs: Pairs
) -> tuple[list[VariableSpec], list[VariableSpec]]:
    taken = set(pairs.values())
    return [spec for spec in mine if spec not in pairs], [spec for spec in theirs if spec not in taken]


def _pair_by(mine: list[VariableSpec], theirs: list[VariableSpec], key: Callable[[VariableSpec], Hashable]) -> Pairs:
    """Pair the variables of one `key`, in order, if both sides have equally many of them."""
    ours, others = _group(mine, key), _group(theirs, key)
    return {
        spec: other
        for value, group in ours.items()
        if len(group) == len(others.get(value, ()))
        for spec, other in zip(group, others[value], strict=True)
    }


def _group(specs: list[VariableSpec], key: Callable[[VariableSpec], Hashable]) -> dict[Hashable, list[VariableSpec]]:
    groups: dict[Hashable, list[VariableSpec]] = defaultdict(list)
    for spec in specs:
        groups[key(spec)].append(spec)
    return groups


def _pair_alike(mine: list[VariableSpec], theirs: list[VariableSpec]) -> Pairs:
    """Pair names that differ only in what Keras makes up, if each has exactly one such partner of its form."""
    partners = {
        spec: [other for other in theirs if _form(spec) == _form(other) and is_alike(spec, other)] for spec in mine
    }
    wanted = [others[0] for others in partners.values() if len(others) == 1]
    return {spec: others[0] for spec, others in partners.items() if len(others) == 1 and wanted.count(others[0]) == 1}


def _form(spec: VariableSpec) -> tuple[tuple[int, ...], str]:
    return spec.shape, spec.dtype


# The optimizer's


def _pair_slots(mine: list[VariableSpec], theirs: list[VariableSpec], model: list[VariableSpec], pairs: Pairs) -> Pairs:
    """Pair a slot (`adam/dense_kernel_momentum`) as its variable is paired, and other optimizer variables by name."""
    places = {_slot(spec): spec for spec in theirs}
    owners = sorted(model, key=lambda spec: -len(spec.path))
    result: Pairs = {}
    for spec in mine:
        optimizer, name = _slot(spec)
        owner = next((variable for variable in owners if name.startswith(f"{_flat(variable)}_")), None)
        if owner is not None:
            if owner not in pairs or _form(owner) != _form(pairs[owner]):
                continue  # the model's variable gets no value, so its slot must not either
            name = _flat(pairs[owner]) + name[len(_flat(owner)) :]
        if (optimizer, name) in places:
            result[spec] = places[optimizer, name]
    return result


def _slot(spec: VariableSpec) -> tuple[str, str]:
    """Return the optimizer's name without its number, and the slot's name."""
    optimizer, _, name = spec.path.partition("/")
    return optimizer.rstrip("0123456789").rstrip("_"), name


def _flat(spec: VariableSpec) -> str:
    return spec.path.replace("/", "_")


# Rows


def _rows(
    mine: Sequence[VariableSpec], theirs: Sequence[VariableSpec], pairs: Pairs, renamed: set[VariableSpec]
) -> Iterator[Row]:
    taken = set(pairs.values())
    for collection in ("model", "optimizer"):
        for spec in _of(collection, mine):
            other = pairs.get(spec)
            yield Row("missing", spec, None) if other is None else Row(_kind(spec, other), spec, other, spec in renamed)
        yield from (Row("new", None, other) for other in _of(collection, theirs) if other not in taken)


def _kind(spec: VariableSpec, other: VariableSpec) -> Kind:
    if spec.shape != other.shape:
        return "shape"
    if spec.dtype != other.dtype:
        return "dtype"
    return "same" if spec.path == other.path or is_alike(spec, other) else "renamed"
