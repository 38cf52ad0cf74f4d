"""Exports a checkpoint from the store, in formats that other programs read without keepbest."""

from __future__ import annotations

import functools
import logging
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

from keepbest.checkpoint.inputs import is_functional, of_model, to_signature
from keepbest.checkpoint.load import Loaded
from keepbest.checkpoint.manifest import Manifest
from keepbest.checkpoint.plan import RestorePlan
from keepbest.checkpoint.rebuild import complete, fill, rebuild
from keepbest.checkpoint.store import Store
from keepbest.contract.restores import Format
from keepbest.errors import CheckpointError, InvalidInput
from keepbest.model.attributes import things_in
from keepbest.model.saveables import saveables_of
from keepbest.model.variables import is_lookup

_log = logging.getLogger("keepbest")

FORMATS: tuple[Format, ...] = get_args(Format)

_NAMES: dict[Format, str] = {
    "keras": "model.keras",
    "weights": "model.weights.h5",
    "tf": "model",
    "savedmodel": "savedmodel",
    "safetensors": "state.safetensors",
    "npz": "state.npz",
}


def export(
    store: Store,
    loaded: Loaded,
    to: Path,
    form: Format = "keras",
    *,
    model: Any = None,
    plan: RestorePlan | None = None,
    partial: bool = False,
    allow_code: bool = False,
    say: Callable[[str], object] = _log.warning,
) -> Path:
    """Write `loaded` into the folder `to` and return the file (for "savedmodel" the folder, for "tf" the prefix).

    "safetensors" and "npz" hold every variable under `model/<path>` and `optimizer/<path>`, and need no network. Of a
    variable whose average is used they hold the average there, and its own value under `raw/<path>`. The other formats
    need a network: `model`, or the description in the store, whose code runs only with `allow_code`. "savedmodel" has
    no optimizer. "weights" is the file of Keras' `save_weights`, for a network without an optimizer or with the same
    one, already built. A `plan` made for `model` says which value goes into which variable. `partial` takes the rest of
    an incomplete checkpoint. `say` gets a message about each part that the export leaves out.
    """
    path = path_of(to, form)
    to.mkdir(parents=True, exist_ok=True)
    if form == "safetensors":
        _write_safetensors(loaded, path)
    elif form == "npz":
        _write_npz(loaded, path)
    else:
        network = model if model is not None else rebuild(store, loaded.manifest, allow_code=allow_code, say=say)
        complete(network, loaded.manifest.inputs)
        load = functools.partial(loaded.load_into, network, plan=plan, strict=not partial)
        if model is None:
            fill(network, load, say)
        else:
            load()
        _WRITERS[form](network, path, loaded.manifest)
    return path


def path_of(folder: Path, form: Format) -> Path:
    """Return the path that `export` writes. Raises InvalidInput for an unknown format."""
    if form not in FORMATS:
        raise InvalidInput(f"There is no format {form!r}.", field="as", hint=f"The formats: {', '.join(FORMATS)}.")
    return folder / _NAMES[form]


def named_arrays(loaded: Loaded) -> dict[str, Any]:
    """Return every value under its name. If Keras gave a name twice, the name ends with the variable's place.

    A variable whose average is used has its own value under `raw/<path>`.
    """
    specs, arrays, used = loaded.specs, loaded.arrays, loaded.offer(loaded.specs)
    count = Counter((spec.collection, spec.path) for spec in specs)
    names = [spec.path if count[spec.collection, spec.path] == 1 else f"{spec.path}#{spec.index}" for spec in specs]
    pairs = zip(names, specs, strict=True)
    result = {f"{spec.collection}/{name}": arrays[used[spec]] for name, spec in pairs if spec in used}
    return result | {f"raw/{names[place]}": arrays[place] for place in loaded.manifest.averages}


def _write_safetensors(loaded: Loaded, path: Path) -> None:
    from safetensors.numpy import save_file

    save_file(named_arrays(loaded), path, metadata={"run": loaded.manifest.run, "step": str(loaded.manifest.step)})


def _write_npz(loaded: Loaded, path: Path) -> None:
    import numpy as np

    arrays = named_arrays(loaded).items()
    # NumPy alone cannot read the small floats of ml_dtypes: they become float32, without loss.
    np.savez(path, **{name: array if array.dtype.isbuiltin == 1 else array.astype("float32") for name, array in arrays})


def _write_tf(model: Any, path: Path, manifest: Manifest) -> None:
    import tensorflow as tf

    try:
        tf.train.Checkpoint(**parts_of(model)).write(str(path))
    except ValueError as error:  # somebody changed a list otherwise than by appending
        raise CheckpointError(
            f"TensorFlow cannot write this model: {str(error)[:300]}",
            hint="Take another format: --as keras, weights, safetensors or npz.",
        ) from error


def parts_of(model: Any) -> dict[str, Any]:
    """Return the parts of the format "tf": the network, and its optimizer if it has one."""
    optimizer = getattr(model, "optimizer", None)
    return {"model": model} if optimizer is None else {"model": model, "optimizer": optimizer}


def _write_savedmodel(model: Any, path: Path, manifest: Manifest) -> None:
    """Write a SavedModel that answers as `predict` does.

    The signature comes from the manifest for a user's class, of which Keras knows shapes at most. Keras' own
    `model.export` leaves `training` open: a network with `RandomFlip` would go on flipping pictures when it serves.
    """
    import keras
    from keras.src.export.export_utils import get_input_signature

    inputs = None if is_functional(model) else manifest.inputs or of_model(model)
    signature = [to_signature(inputs)] if inputs is not None else get_input_signature(model)
    archive = keras.export.ExportArchive()
    archive.track(model)
    for table in _tables_of(model):
        archive.track(table)
    archive.add_endpoint("serve", _answering(model), signature)
    archive.write_out(path, verbose=False)


def _tables_of(model: Any) -> list[Any]:
    """Return the tables in a network. Keras' own search stops at a layer that it cannot trace alone."""
    import tensorflow as tf

    saveables = saveables_of(model)
    lookup_tables = [thing.lookup_table for _, thing in saveables if is_lookup(thing)]
    lookup_tables += [thing for _, thing, _ in things_in(saveables)]
    return [item for item in lookup_tables if isinstance(item, tf.saved_model.experimental.TrackableResource)]


def _answering(model: Any) -> Callable[..., Any]:
    if not model._call_has_training_arg:  # the test of Keras' predict_step
        return lambda *batch: model(*batch)
    return lambda *batch: model(*batch, training=False)


_WRITERS: dict[str, Callable[[Any, Path, Manifest], None]] = {
    "keras": lambda model, path, manifest: model.save(path),
    "weights": lambda model, path, manifest: model.save_weights(path),
    "savedmodel": _write_savedmodel,
    "tf": _write_tf,
}
