"""Inspects checkpoints: figures of each variable, one variable's values, and the differences of two checkpoints.

It needs NumPy only, holds one variable in memory at a time, and checks digests. The tracker uses it for the dashboard.
"""

from __future__ import annotations

import math
import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from itertools import zip_longest
from typing import Any

from keepbest.checkpoint import load
from keepbest.checkpoint.files.folder import Folder
from keepbest.checkpoint.manifest import Manifest, StoredVariable
from keepbest.contract.checkpoints import (
    CheckpointDiff,
    ValuesQuery,
    Variable,
    VariableDifference,
    VariableList,
    VariableValues,
)
from keepbest.contract.panels import Histogram
from keepbest.errors import InvalidInput, NotFound
from keepbest.snapshots.state import COLLECTIONS, VariableSpec

#: The most values in one answer of the tracker.
MAX_VALUES = 16_384
BINS = 40
#: Elements converted to float64 at once.
_PIECE = 2**20


def describe(folder: Folder, manifest: Manifest) -> VariableList:
    """Return every variable with its figures. Raises CheckpointDamaged if a value is not what was written."""
    arrays = load.iterate(folder, manifest, manifest.variables)
    variables = [_figures(variable, array) for variable, array in zip(manifest.variables, arrays, strict=True)]
    return VariableList(run=manifest.run, checkpoint=manifest.id, step=manifest.step, variables=variables)


def values_of(folder: Folder, manifest: Manifest, name: str, slices: str = "") -> tuple[Variable, Any]:
    """Return one variable with its figures, and the values of a slice of it, such as "0:3,:".

    `name` is a path (`dense/kernel`), with its collection in front (`model/dense/kernel`) if both collections have it.
    Raises NotFound, or InvalidInput if the slice does not fit.
    """
    variable, array = _read(folder, manifest, name)
    return _figures(variable, array), _cut(variable, array, slices)


def show_values(folder: Folder, manifest: Manifest, query: ValuesQuery) -> VariableValues:
    """Return the first part of a slice, and the histogram of the whole variable. Raises as `values_of`."""
    variable, array = _read(folder, manifest, query.variable)
    figures, cut = _figures(variable, array), _cut(variable, array, query.slice)
    part = first_part(cut)
    return VariableValues(
        checkpoint=manifest.id,
        step=manifest.step,
        variable=figures,
        slice=query.slice,
        shape=list(cut.shape),
        part=list(part.shape),
        values=part.ravel().tolist(),
        histogram=spread(figures, array),
    )


def first_part(array: Any) -> Any:
    """Return at most MAX_VALUES in float64: the first along each axis, equally many along the long axes."""
    import numpy as np

    sides = range(1, MAX_VALUES + 1)
    side = bisect_right(sides, MAX_VALUES, key=lambda side: math.prod(min(side, length) for length in array.shape))
    part = np.asarray(array)[tuple(slice(side) for _ in np.shape(array))]
    return (np.abs(part) if np.iscomplexobj(part) else part).astype(np.float64)


def spread(figures: Variable, array: Any) -> Histogram:
    """Return the histogram of the finite values; `figures` have the least and the greatest of them."""
    import numpy as np

    low, high = figures.min, figures.max
    fields: dict[str, Any] = {name: getattr(figures, name) for name in ("shape", "mean", "std", "non_finite")}
    empty = Histogram(name=figures.path[:200], edges=[], counts=[], **fields)
    if low is None or high is None or not math.isfinite(high - low):
        return empty
    counts, edges = np.histogram(np.empty(0), BINS, (low, high))
    for piece in _pieces(array):
        counts += np.histogram(piece[np.isfinite(piece)], BINS, (low, high))[0]
    return empty.model_copy(update={"edges": edges.tolist(), "counts": counts.tolist()})


def _read(folder: Folder, manifest: Manifest, name: str) -> tuple[StoredVariable, Any]:
    variable = manifest.variables[find([stored.spec for stored in manifest.variables], name)]
    (array,) = load.iterate(folder, manifest, [variable])
    return variable, array


def _cut(variable: StoredVariable, array: Any, slices: str) -> Any:
    try:
        return array[read_slices(slices)]
    except (IndexError, ValueError) as error:
        raise InvalidInput(f"{variable.path} has shape {list(variable.shape)}: {error}.", field="slice") from error


def compare(folder: Folder, first: Manifest, other_folder: Folder, second: Manifest) -> CheckpointDiff:
    """Return how the second checkpoint differs from the first, variable by variable.

    Variables at the same place belong together, because Keras numbers names per process. Values with equal digests are
    not read.
    """
    rows = [_compare(pair, (folder, first), (other_folder, second)) for pair in _pairs(first, second)]
    equal = all(row.kind == "equal" for row in rows)
    return CheckpointDiff(first=first.id, second=second.id, equal=equal, variables=rows)


Pair = tuple[StoredVariable | None, StoredVariable | None]
Source = tuple[Folder, Manifest]


def _pairs(first: Manifest, second: Manifest) -> Iterator[Pair]:
    for collection in COLLECTIONS:
        sides = [[item for item in side.variables if item.collection == collection] for side in (first, second)]
        yield from zip_longest(*sides)


def _compare(pair: Pair, first: Source, second: Source) -> VariableDifference:
    stored_variable, other = pair
    if stored_variable is None or other is None:
        there = stored_variable or other
        assert there is not None  # noqa: S101  # a pair has at least one of the two
        kind = "missing" if other is None else "new"
        return VariableDifference.model_validate({"collection": there.collection, "path": there.path, "kind": kind})
    fields: dict[str, Any] = {"collection": stored_variable.collection, "path": stored_variable.path}
    if stored_variable.shape != other.shape or stored_variable.dtype != other.dtype:
        return VariableDifference(**fields, kind="shape" if stored_variable.shape != other.shape else "dtype")
    if stored_variable.digest == other.digest:
        return VariableDifference(**fields, kind="equal", norm=0.0, relative=0.0, changed=0)
    (mine,), (theirs,) = load.iterate(*first, [stored_variable]), load.iterate(*second, [other])
    return VariableDifference(**fields, kind="differs", **_distance(mine, theirs))


def _distance(mine: Any, theirs: Any) -> dict[str, Any]:
    import numpy as np

    squares, own = 0.0, 0.0
    with np.errstate(invalid="ignore", over="ignore"):
        for item, other in zip(_pieces(mine), _pieces(theirs), strict=True):
            squares += float(np.square(other - item).sum())
            own += float(np.square(item).sum())
    changed = int((_bytes_of(mine) != _bytes_of(theirs)).any(axis=1).sum())
    if not math.isfinite(squares):
        return {"changed": changed}
    norm = math.sqrt(squares)
    relative = norm / math.sqrt(own) if own > 0 and math.isfinite(own) else None
    return {"norm": norm, "relative": relative, "changed": changed}


def _bytes_of(array: Any) -> Any:
    """Return a row of bytes for each element: as bytes, a NaN equals itself."""
    import numpy as np

    return np.frombuffer(array.tobytes(), np.uint8).reshape(array.size, array.itemsize)


def _figures(variable: StoredVariable, array: Any) -> Variable:
    fields: dict[str, Any] = {
        **{name: getattr(variable, name) for name in ("collection", "index", "path", "dtype", "digest", "size_bytes")},
        "shape": list(variable.shape),
    }
    return Variable(**fields, **summarise(array))


def summarise(array: Any) -> dict[str, Any]:
    """Return the figures of an array. Takes two passes, because a large mean would spoil the deviation in one."""
    import numpy as np

    with np.errstate(over="ignore"):
        return _summarise(array)


def _summarise(array: Any) -> dict[str, Any]:
    import numpy as np

    seen, count, total, squares, low, high = 0, 0, 0.0, 0.0, math.inf, -math.inf
    for piece in _pieces(array):
        seen += piece.size
        finite = piece[np.isfinite(piece)]
        if finite.size:
            count += finite.size
            total += float(finite.sum())
            squares += float(np.square(finite).sum())
            low, high = min(low, float(finite.min())), max(high, float(finite.max()))
    if not count:
        return {"non_finite": seen}
    mean = total / count
    spread = sum(float(np.square(piece[np.isfinite(piece)] - mean).sum()) for piece in _pieces(array))
    figures = {"mean": mean, "std": math.sqrt(spread / count), "min": low, "max": high, "norm": math.sqrt(squares)}
    return {"non_finite": seen - count, **figures}


def _pieces(array: Any) -> Iterator[Any]:
    """Yield the values in float64, piece by piece; of complex numbers the real and imaginary parts."""
    import numpy as np

    flat = array.reshape(-1)
    if np.iscomplexobj(flat):
        flat = flat.view(flat.real.dtype)
    for start in range(0, flat.size, _PIECE):
        yield flat[start : start + _PIECE].astype(np.float64)


def find(variables: Sequence[VariableSpec], name: str) -> int:
    """Return the place of the variable `name`: its path, its collection and path, or the end of its path.

    Raises NotFound, which names the nearest variables, or InvalidInput if `name` fits several.
    """
    exact = [
        at
        for at, variable_spec in enumerate(variables)
        if name in (variable_spec.path, f"{variable_spec.collection}/{variable_spec.path}", variable_spec.name)
    ]
    ending = [at for at, variable_spec in enumerate(variables) if variable_spec.path.endswith(f"/{name}")]
    result = exact or [at for at in ending if variables[at].collection == "model"] or ending
    if len(result) == 1:
        return result[0]
    if result:
        names = ", ".join(variables[at].name for at in result[:5])
        raise InvalidInput(f"{name!r} names several variables.", field="variable", hint=f"Name one of: {names}")
    hint = nearest((variable_spec.path for variable_spec in variables), name)
    raise NotFound(f"There is no variable {name!r}.", field="variable", hint=hint)


def nearest(names: Iterable[str], name: str) -> str:
    """Return a hint with the `names` that are like `name`."""
    from difflib import get_close_matches

    close = get_close_matches(name, list(dict.fromkeys(names)), 3, 0.3)
    return f"The nearest: {', '.join(close)}." if close else "`keepbest checkpoint show` lists them."


def read_slices(text: str) -> tuple[Any, ...]:
    """Return the index that "0:3,:,-1" means to NumPy, without evaluating code."""
    parts = [part.strip() for part in text.split(",")] if text.strip() else []
    return tuple(_read_slice(part) for part in parts)


def _read_slice(part: str) -> Any:
    if part == "...":
        return Ellipsis
    if re.fullmatch(r"-?\d{1,18}", part):
        return int(part)
    if re.fullmatch(r"(-?\d{1,18})?(:(-?\d{1,18})?){1,2}", part):
        return slice(*(int(number) if number else None for number in part.split(":")))
    raise InvalidInput(f"{part!r} is no slice.", field="slice", hint="Write a slice as 0:3,: or -1 or ...")
