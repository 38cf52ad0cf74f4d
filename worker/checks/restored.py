"""`python -m worker.checks.restored JOB FILE`: write a restored network to files, or check one, in a fresh process.

JOB is JSON (`keepbest.contract.restores.RestoreJob`). If the network has classes of the run's own, this runs the run's
code and builds model and data as the trainer did. FILE gets the answer, or the error, as JSON.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any

from keepbest.checkpoint.check import call, flatten, to_batch
from keepbest.checkpoint.examples import compare, read
from keepbest.checkpoint.export import export, parts_of
from keepbest.checkpoint.inputs import Inputs
from keepbest.checkpoint.load import Loaded
from keepbest.checkpoint.rebuild import complete, fill, rebuild
from keepbest.checkpoint.store import Store
from keepbest.cli.checkpoints.partial import Target
from keepbest.client.client import Client
from keepbest.contract.restores import CheckResult, RestoreJob
from keepbest.errors import KeepbestError
from keepbest.settings import write_private
from worker import settings
from worker.checks.rebuild import rebuild as rebuild_by_code
from worker.checks.rebuild import users_errors


def main(job: str, file: str) -> int:
    """Write the answer to `file`; return 0, or 1 if the file holds an error."""
    restore_job = RestoreJob.model_validate_json(job)
    try:
        with tempfile.TemporaryDirectory(prefix="keepbest-") as folder:
            write_private(Path(file), json.dumps(answer(restore_job, Path(folder) / "code")))
    except KeepbestError as error:
        write_private(Path(file), json.dumps(error.to_body()))
        return 1
    return 0


def answer(restore_job: RestoreJob, code: Path) -> dict[str, Any]:
    """Do the job; `code` is the folder for the run's code. Raises CodeFailed if the run's code raises."""
    return _write(restore_job, code) if restore_job.task == "write" else _check(restore_job, code)


@dataclass(frozen=True)
class Network:
    """A network as it was built, without values of a checkpoint, and its own classes."""

    model: Any
    own: dict[str, Any]


def _write(restore_job: RestoreJob, code: Path) -> dict[str, Any]:
    store = Store(restore_job.store)
    loaded, texts = store.load(restore_job.run, restore_job.checkpoint), list[str]()
    network = _make(restore_job, store, loaded, code)
    path = export(
        store,
        loaded,
        Path(restore_job.to or "."),
        restore_job.form,
        model=network.model,
        partial=restore_job.partial,
        say=texts.append,
    )
    return {"path": str(path), "messages": texts}


def _check(restore_job: RestoreJob, code: Path) -> dict[str, Any]:
    store = Store(restore_job.store)
    loaded = store.load(restore_job.run, restore_job.checkpoint)
    predictions, inputs = read(store.folder, loaded.manifest), loaded.manifest.inputs
    assert inputs is not None  # noqa: S101  # `read` would have raised
    predict = _READERS[restore_job.form if restore_job.path else "state"](restore_job, store, loaded, code)
    comparison = compare(predictions, predict(inputs, predictions.inputs), restore_job.tolerance)
    return CheckResult(
        run=restore_job.run,
        checkpoint=restore_job.checkpoint,
        step=loaded.step,
        form=restore_job.form if restore_job.path else None,
        examples=comparison.examples,
        recorded=comparison.recorded,
        restored=comparison.restored,
        difference=comparison.difference if isfinite(comparison.difference) else None,
        tolerance=comparison.tolerance,
        within=comparison.is_within,
    ).model_dump()


def _make(restore_job: RestoreJob, store: Store, loaded: Loaded, code: Path) -> Network:
    """Return the network of the user's own function, the run's code, or the description in the store."""
    if restore_job.into is not None:
        target = Target(restore_job.into, restore_job.settings, restore_job.maps, restore_job.partial, restore_job.spec)
        return Network(
            target.build(loaded.manifest.inputs), _own_objects(Path(restore_job.into.partition(":")[0]).parent)
        )
    if not restore_job.by_code:
        return Network(rebuild(store, loaded.manifest, allow_code=restore_job.allow_code, say=lambda _: None), {})
    known = settings.load()
    with Client(known.url, known.token or "") as client:
        run = client.run(restore_job.run)
        with users_errors(run, code):
            model = rebuild_by_code(client, run, None, known, code).model
            complete(model, loaded.manifest.inputs)
    return Network(model, _own_objects(code))


def _own_objects(folder: Path) -> dict[str, Any]:
    """Return the classes and functions of modules from `folder`, by the names that Keras looks for."""
    result: dict[str, Any] = {}
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if file and Path(file).resolve().is_relative_to(folder.resolve()) and "site-packages" not in file:
            result |= {text: value for text, value in vars(module).items() if getattr(value, "__module__", "") == name}
    return result


# Predictions of each format

_Predict = Callable[[Inputs, Any], list[Any]]


def _by_model(model: Any) -> _Predict:
    return lambda inputs, arrays: call(model, inputs, arrays)


def _read_state(restore_job: RestoreJob, store: Store, loaded: Loaded, code: Path) -> _Predict:
    model = _make(restore_job, store, loaded, code).model
    plan = (
        Target("", (), restore_job.maps, restore_job.partial).plan(loaded, model)
        if restore_job.into is not None
        else None
    )
    fill(model, lambda: loaded.load_into(model, plan=plan, strict=not restore_job.partial), lambda _: None)
    return _by_model(model)


def _read_keras(restore_job: RestoreJob, store: Store, loaded: Loaded, code: Path) -> _Predict:
    import keras

    own = _make(restore_job, store, loaded, code).own if restore_job.into is not None or restore_job.by_code else {}
    options = {"custom_objects": own, "compile": False, "safe_mode": not restore_job.allow_code}
    return _by_model(keras.saving.load_model(restore_job.path, **options))


def _read_weights(restore_job: RestoreJob, store: Store, loaded: Loaded, code: Path) -> _Predict:
    model = _make(restore_job, store, loaded, code).model
    model.load_weights(restore_job.path)
    return _by_model(model)


def _read_tf(restore_job: RestoreJob, store: Store, loaded: Loaded, code: Path) -> _Predict:
    import tensorflow as tf

    model = _make(restore_job, store, loaded, code).model
    tf.train.Checkpoint(**parts_of(model)).read(restore_job.path).expect_partial()
    return _by_model(model)


def _read_savedmodel(restore_job: RestoreJob, store: Store, loaded: Loaded, code: Path) -> _Predict:
    import tensorflow as tf

    loaded_model = tf.saved_model.load(restore_job.path)  # its variables live as long as it does
    wanted = loaded_model.serve.concrete_functions[0].structured_input_signature[0][0]
    return lambda inputs, arrays: flatten(loaded_model.serve(_as_wanted(to_batch(inputs, arrays), wanted)))


def _as_wanted(batch: Any, wanted: Any) -> Any:
    """Return a batch in the structure of a SavedModel. (Keras accepts a tuple for a list, and a dict by names.)"""
    import keras

    if isinstance(batch, dict) and not isinstance(wanted, dict):
        named = [batch[spec.name] for spec in keras.tree.flatten(wanted)]
        return keras.tree.pack_sequence_as(wanted, named)
    return keras.tree.pack_sequence_as(wanted, keras.tree.flatten(batch))


#: Arrays by name (npz, safetensors) make no predictions: their reader puts the same state into the network.
_READERS: dict[str, Callable[[RestoreJob, Store, Loaded, Path], _Predict]] = {
    "state": _read_state,
    "npz": _read_state,
    "safetensors": _read_state,
    "keras": _read_keras,
    "weights": _read_weights,
    "tf": _read_tf,
    "savedmodel": _read_savedmodel,
}


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
