"""Writes, reads and compares the examples of a checkpoint and its network's predictions for them.

They are stored like any other value, content-addressed and digested; texts as bytes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from keepbest.checkpoint import load
from keepbest.checkpoint.files import pack
from keepbest.checkpoint.files.folder import Folder
from keepbest.checkpoint.manifest import Manifest, StoredVariable
from keepbest.errors import CheckpointDamaged, NotFound
from keepbest.snapshots.state import Predictions

#: The most examples of one checkpoint, and the most bytes of their inputs and outputs together.
MAX_EXAMPLES = 64
MAX_BYTES = 64 * 2**20

#: The allowed difference, as a part of the greatest recorded magnitude (of 1, if that is less). Other kernels, graphs
#: and machines add float32 numbers in other orders, which makes smaller differences; another network makes larger ones.
TOLERANCE = 1e-5
#: The allowed difference of float16 and bfloat16 predictions.
HALF_TOLERANCE = 2e-2

_INPUT, _OUTPUT, _TEXT = "input", "output", "text"
#: The end of every text. NumPy pads texts with zero bytes: the mark keeps those that belong to the text.
_MARK = b"\x01"


@dataclass(frozen=True)
class Comparison:
    """How the predictions of a restored network differ from the recorded ones."""

    examples: int
    recorded: list[float]
    restored: list[float]
    difference: float
    tolerance: float

    @property
    def is_within(self) -> bool:
        return self.difference <= self.tolerance


def to_parts(predictions: Predictions) -> list[list[tuple[str, pack.PackEntry]]]:
    """Return the inputs and the outputs as entries of a pack, each with its name."""
    sides = ((_INPUT, predictions.inputs), (_OUTPUT, predictions.outputs))
    return [[_to_part(f"{side}/{place}", array) for place, array in enumerate(arrays)] for side, arrays in sides]


def describe_example(path: str, part: pack.PackEntry, index: int, name: str) -> StoredVariable:
    """Return the manifest's record of an example in the pack `name`."""
    fields = {"path": path, "shape": part.shape, "dtype": part.dtype, "digest": part.digest, "object": name}
    return StoredVariable.model_validate({"collection": "example", "index": index, **fields})


def read(folder: Folder, manifest: Manifest) -> Predictions:
    """Return the examples of a checkpoint, digests checked.

    Raises NotFound if the checkpoint has none, CheckpointDamaged if they are not what was written.
    """
    if not manifest.examples or manifest.inputs is None:
        raise NotFound(
            f"Checkpoint {manifest.id} holds no examples to check the network with.",
            field="check",
            hint="Record some with the next run: `keepbest submit … --keep-examples 8`, or KeepBest(keep_examples=8).",
        )
    arrays = load.iterate(folder, manifest, manifest.examples)
    read = [(stored.path, _from_part(stored, array)) for stored, array in zip(manifest.examples, arrays, strict=True)]
    inputs = tuple(array for path, array in read if path.startswith(_INPUT))
    if len(inputs) != len(manifest.inputs.leaves) or len(inputs) == len(read):
        raise CheckpointDamaged(
            f"The examples of checkpoint {manifest.id} do not have the form that its manifest says."
        )
    return Predictions(inputs, tuple(array for path, array in read if path.startswith(_OUTPUT)))


def compare(predictions: Predictions, outputs: Sequence[Any], tolerance: float | None = None) -> Comparison:
    """Compare a network's outputs with the recorded ones; `tolerance` replaces the usual ones."""
    import numpy as np

    recorded = [np.asarray(array) for array in predictions.outputs]
    restored = [np.asarray(array) for array in outputs]
    usual = HALF_TOLERANCE if any(array.dtype.itemsize == 2 for array in recorded) else TOLERANCE
    pairs = list(zip(recorded, restored, strict=False))
    fits = len(recorded) == len(restored) and all(item.shape == other.shape for item, other in pairs)
    differences = [_differ(item, other) for item, other in pairs] if fits else [float("inf")]
    scale = max([1.0, *(_magnitude(array) for array in recorded)])
    return Comparison(
        examples=len(recorded[0]) if recorded[0].ndim else 1,
        recorded=_some(recorded),
        restored=_some(restored),
        difference=max(differences),
        tolerance=(usual if tolerance is None else tolerance) * scale,
    )


def _differ(item: Any, other: Any) -> float:
    """Return the greatest difference. A text, and a number that is not finite, differs infinitely from any other."""
    import numpy as np

    if item.dtype.kind in "SUO":
        return 0.0 if np.array_equal(_to_bytes(item), _to_bytes(other)) else float("inf")
    mine, theirs = _to_wide(item), _to_wide(other)
    same = (mine == theirs) | (np.isnan(mine) & np.isnan(theirs))
    with np.errstate(invalid="ignore"):
        apart = np.where(same, 0.0, np.abs(mine - theirs))
    return float(np.where(np.isnan(apart), np.inf, apart).max(initial=0.0))


def _magnitude(array: Any) -> float:
    import numpy as np

    if array.dtype.kind in "SUO":
        return 0.0
    wide = np.abs(_to_wide(array))
    return float(wide[np.isfinite(wide)].max(initial=0.0))


def _some(arrays: Sequence[Any]) -> list[float]:
    """Return the first four numbers, for a message."""
    numbers = [array for array in arrays if array.dtype.kind not in "SUO"][:1]
    return [float(value.real) for array in numbers for value in _to_wide(array).reshape(-1)[:4]]


def _to_wide(array: Any) -> Any:
    import numpy as np

    return array.astype(np.complex128 if array.dtype.kind == "c" else np.float64)


def _to_part(path: str, array: Any) -> tuple[str, pack.PackEntry]:
    import numpy as np

    array = np.asarray(array)
    if array.dtype.kind in "SUO":
        path, array = f"{path}/{_TEXT}", _to_bytes(array)
    data = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
    dtype = str(array.dtype)
    return path, pack.PackEntry(pack.digest_of(dtype, array.shape, data), dtype, array.shape, data)


def _from_part(stored: StoredVariable, array: Any) -> Any:
    import numpy as np

    if not stored.path.endswith(_TEXT):
        return array
    flat = array.reshape(-1, array.shape[-1])
    texts = [row.tobytes().rstrip(b"\0").removesuffix(_MARK) for row in flat]
    return np.array(texts, object).reshape(array.shape[:-1])


def _to_bytes(array: Any) -> Any:
    """Return texts as rows of bytes: the array gets one more axis."""
    import numpy as np

    texts = [(text if isinstance(text, bytes) else str(text).encode()) + _MARK for text in array.reshape(-1)]
    width = max(map(len, texts), default=1)
    rows = np.frombuffer(b"".join(text.ljust(width, b"\0") for text in texts), np.uint8)
    return rows.reshape(*array.shape, width)
