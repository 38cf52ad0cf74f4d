"""Read in a fresh process what was exported, without keepbest: `python -m tests.support.kinds.read FOLDER [KIND …]`.

Beside it what Keras wrote itself at the same moment: what a form loses there, it cannot hold.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tests.support.kinds.cell import Cell, judge
from tests.support.kinds.kind import Kind, seed_all
from tests.support.kinds.place import Place
from tests.support.kinds.process import run_all
from tests.support.kinds.training import as_arrays, examples, predict

#: A SavedModel is computed by other operations than Keras calls.
SAVEDMODEL_TOLERANCE = 1e-6


def read(kind: Kind, place: Place) -> dict[str, Cell]:
    """Return what each form gives."""
    best = place.read_arrays("best")
    own = _lost(judge(lambda: _keras(kind, place.theirs), best))
    forms = {form: _read_form(kind, place, form, best) for form in _READINGS}
    return {"Keras' own": own} | forms | {form: _arrays(kind, place, reading) for form, reading in _FILES.items()}


def _read_form(kind: Kind, place: Place, form: str, best: Any) -> Cell:
    """Return what came of an export, and of reading it; another answer is looked for in what Keras wrote."""
    written = place.hear("back")[form]
    if written.word not in ("equal", "--into"):
        return written
    reading, tolerance = _READINGS[form], SAVEDMODEL_TOLERANCE * (form == "savedmodel")
    ours = judge(lambda: reading(kind, place.ours), best, tolerance=tolerance)
    if ours.word == "equal":
        return written
    theirs = judge(lambda: reading(kind, place.theirs), best, tolerance=tolerance)
    return ours if theirs.word == "equal" else Cell("lost", ours.why)


def _lost(cell: Cell) -> Cell:
    """Of Keras' own file an error is a refusal, another answer a loss."""
    word = {"equal": "equal"}.get(cell.word, "lost" if cell.why.startswith("another") else "refused")
    return Cell(word, cell.why)  # type: ignore[arg-type]


def _keras(kind: Kind, folder: Path) -> Any:
    return predict(kind, keras.saving.load_model(folder / "model.keras"))


def _own_model(kind: Kind) -> Any:
    seed_all(5)
    model = kind.build()
    model(examples(kind))
    return model


def _weights(kind: Kind, folder: Path) -> Any:
    model = _own_model(kind)
    model.load_weights(folder / "model.weights.h5")
    return predict(kind, model)


def _tf(kind: Kind, folder: Path) -> Any:
    model = _own_model(kind)
    tf.train.Checkpoint(model=model, optimizer=model.optimizer).read(str(folder / "model")).expect_partial()
    return predict(kind, model)


def _savedmodel(kind: Kind, folder: Path) -> Any:
    if not (folder / "savedmodel").exists():  # Keras' own is only asked for where ours differs
        keras.saving.load_model(folder / "model.keras").export(folder / "savedmodel", verbose=False)
    served = tf.saved_model.load(str(folder / "savedmodel"))
    return as_arrays(served.serve(keras.tree.map_structure(tf.constant, examples(kind))))


_READINGS: dict[str, Callable[[Kind, Path], Any]] = {
    "keras": _keras,
    "weights": _weights,
    "savedmodel": _savedmodel,
    "tf": _tf,
}


def _safetensors(folder: Path) -> Mapping[str, Any]:
    from safetensors.numpy import load_file

    return dict(load_file(folder / "state.safetensors"))


def _npz(folder: Path) -> Mapping[str, Any]:
    with np.load(folder / "state.npz") as file:
        return {name: file[name] for name in file.files}


_FILES: dict[str, Callable[[Path], Mapping[str, Any]]] = {"safetensors": _safetensors, "npz": _npz}


def _arrays(kind: Kind, place: Place, reading: Callable[[Path], Mapping[str, Any]]) -> Cell:
    """Return whether every variable's value is there, and what the kind knows besides."""

    def missing() -> list[Any]:
        found = reading(place.ours)
        held = {array.tobytes() for array in found.values()}
        lost = [value for value in place.read_arrays("variables") if value.tobytes() not in held]
        return lost + [one for one in kind.outside if not any(one in data for data in held)]

    cell = judge(missing, [])
    return cell if not cell.why.startswith("another") else Cell("WRONG", "not all that the model knew is in it")


if __name__ == "__main__":
    run_all("read", read)
    assert not [name for name in sys.modules if name.startswith("keepbest")], "what reads must not know keepbest"
