"""Prints a tensor (figures, a histogram, shortened values), and writes it to a file."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from keepbest.checkpoint.inspect import read_slices, summarise
from keepbest.cli.checkpoints.checkpoint import to_plain
from keepbest.cli.common.formatting import number, whole
from keepbest.cli.common.output import print_facts, say
from keepbest.contract.tensors import TensorKind
from keepbest.errors import InvalidInput
from keepbest.figures import figure

BINS = 12
_BAR = 40
#: JSON holds at most so many values; --slice and --npy give the others.
MAX_VALUES = 100_000


@dataclass(frozen=True)
class NamedTensor:
    """Values and their name; `dtype` is the model's, which NumPy may not know."""

    kind: TensorKind
    name: str
    dtype: str
    array: Any

    def cut(self, slices: str) -> Any:
        """Return the values of a slice such as "0:3,:"; raises InvalidInput if the slice does not fit."""
        try:
            return self.array[read_slices(slices)]
        except (IndexError, ValueError) as error:
            shape = list(self.array.shape)
            raise InvalidInput(f"{self.name} has shape {shape}: {error}.", field="slice") from error


def show(tensor: NamedTensor, slices: str) -> None:
    """Print a tensor: figures and histogram of the whole, values of the slice."""
    import numpy as np

    array = tensor.array
    figures = {name: value for name, value in summarise(array).items() if name != "norm"}
    facts = [("rank", str(array.ndim)), ("shape", str(list(array.shape))), ("type", tensor.dtype)]
    facts += [(name.replace("_", " "), number(value)) for name, value in figures.items() if name != "non_finite"]
    facts += [("not finite", whole(figures["non_finite"]))] if figures["non_finite"] else []
    print_facts(f"{tensor.kind} {tensor.name}", facts)
    for line in draw_histogram(array):
        say(line)
    values = tensor.cut(slices)
    # NumPy shortens 1000 or more values, but a slice is printed in full.
    text = np.array2string(np.asarray(values), threshold=MAX_VALUES if slices else 200, max_line_width=110)
    say(f"[{slices}] {list(np.shape(values))}\n{text}" if slices else text)


def describe(tensor: NamedTensor, slices: str) -> dict[str, Any]:
    """Return a tensor for JSON; `values` is null if there are too many."""
    import numpy as np

    array, values = tensor.array, np.asarray(tensor.cut(slices))
    counts, edges = _count(array)
    return {
        "kind": tensor.kind,
        "name": tensor.name,
        "rank": array.ndim,
        "shape": list(array.shape),
        "dtype": tensor.dtype,
        **summarise(array),
        "histogram": {"edges": edges, "counts": counts},
        "slice": slices,
        "values": to_plain(values.astype(object).tolist()) if values.size <= MAX_VALUES else None,
    }


def draw_histogram(array: Any) -> Iterator[str]:
    """Yield a line for each bin with its start, a bar and its count; no line if all values are equal."""
    counts, edges = _count(array)
    most = max(counts, default=0)
    if len(counts) < 2:
        return
    starts = [figure(edge, 4) for edge in edges[:-1]]
    width = max(map(len, starts))
    for start, count in zip(starts, counts, strict=True):
        bar = "#" * round(_BAR * count / most) or ("." if count else "")
        yield f"{start:>{width}}  {bar:<{_BAR}}  {count:,}"


def save_array(tensor: NamedTensor, slices: str, path: Path) -> None:
    import numpy as np

    with path.open("wb") as sink:
        np.save(sink, tensor.cut(slices), allow_pickle=False)


def save_picture(tensor: NamedTensor, slices: str, path: Path) -> None:
    """Write a slice with two axes (those of length 1 do not count) as PNG, from its least value to its greatest."""
    import numpy as np

    from keepbest.panels.packing import to_bytes
    from keepbest.panels.png import to_png

    values = np.squeeze(tensor.cut(slices))
    if values.ndim != 2 or not values.size:
        shape = list(tensor.array.shape)
        hint = 'Name two of its axes: --slice ":,:,0".' if values.ndim > 2 else None
        message = f"{tensor.name} of shape {shape} is no picture: {values.ndim} axes are left, not 2."
        raise InvalidInput(message, field="image", hint=hint)
    floats = values.astype(np.float64)
    known = floats[np.isfinite(floats)]
    low, high = (float(known.min()), float(known.max())) if known.size else (0.0, 1.0)
    path.write_bytes(to_png(to_bytes(floats, low, high)))


def _count(array: Any) -> tuple[list[int], list[float]]:
    import numpy as np

    values = np.abs(array) if np.iscomplexobj(array) else array
    floats = values.astype(np.float64).ravel()
    known = floats[np.isfinite(floats)]
    if not known.size or known.min() == known.max():
        return [known.size], []
    counts, edges = np.histogram(known, BINS)
    return counts.tolist(), edges.tolist()
