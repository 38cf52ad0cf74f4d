"""`python -m worker.checks.restored JOB FILE`: write a restored network to files, or check one, in a fresh process.

JOB is JSON (`keepbest.contract.restores.RestoreJob`). Where the network has classes of the run's own, its code is run:
model and data are built as the trainer built them. FILE gets the answer, or the error, as JSON.
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

from keepbest.checkpoint.examples import compare, read
from keepbest.checkpoint.inputs import Inputs
from keepbest.checkpoint.load import Loaded
from keepbest.checkpoint.store import Store
from keepbest.cli.checkpoints.partial import Target
from keepbest.client.client import Client
from keepbest.contract.restores import CheckResult, RestoreJob
from keepbest.errors import KeepbestError
from keepbest.restoration.check import call, flatten, to_batch
from keepbest.restoration.export import export, parts_of
from keepbest.restoration.rebuild import complete, fill, rebuild
from keepbest.settings import write_private
from worker import settings
from worker.checks.rebuild import rebuild as rebuild_by_code
from worker.checks.rebuild import told_in_their_words


def main(job: str, file: str) -> int:
    """Write the answer to `file`; return 0, or 1 where the file holds an error."""
    asked = RestoreJob.model_validate_json(job)
    try:
        with tempfile.TemporaryDirectory(prefix="keepbest-") as folder:
            write_private(Path(file), json.dumps(answer(asked, Path(folder) / "code")))
    except KeepbestError as error:
        write_private(Path(file), json.dumps(error.to_body()))
        return 1
    return 0


def answer(asked: RestoreJob, code: Path) -> dict[str, Any]:
    """Do the job; `code` is where the run's code is unpacked. Raises CodeFailed where that raised."""
    return _write(asked, code) if asked.task == "write" else _check(asked, code)


@dataclass(frozen=True)
class Network:
    """A network as it was built, before anything was put into it, and the classes that are its own."""

    model: Any
    own: dict[str, Any]


def _write(asked: RestoreJob, code: Path) -> dict[str, Any]:
    store = Store(asked.store)
    loaded, said = store.load(asked.run, asked.checkpoint), list[str]()
    network = _make(asked, store, loaded, code)
    path = export(
        store, loaded, Path(asked.to or "."), asked.form, model=network.model, partial=asked.partial, say=said.append
    )
    return {"path": str(path), "said": said}


def _check(asked: RestoreJob, code: Path) -> dict[str, Any]:
    store = Store(asked.store)
    loaded = store.load(asked.run, asked.checkpoint)
    predictions, inputs = read(store.folder, loaded.manifest), loaded.manifest.inputs
    assert inputs is not None  # noqa: S101  # `read` would have raised
    given = _WAYS[asked.form if asked.path else "state"](asked, store, loaded, code)
    found = compare(predictions, given(inputs, predictions.inputs), asked.tolerance)
    return CheckResult(
        run=asked.run,
        checkpoint=asked.checkpoint,
        step=loaded.step,
        form=asked.form if asked.path else None,
        examples=found.examples,
        recorded=found.recorded,
        restored=found.restored,
        difference=found.difference if isfinite(found.difference) else None,
        tolerance=found.tolerance,
        within=found.is_within,
    ).model_dump()


def _make(asked: RestoreJob, store: Store, loaded: Loaded, code: Path) -> Network:
    """Return the network, from the user's own function, the run's code, or the description in the store."""
    if asked.into is not None:
        target = Target(asked.into, asked.settings, asked.maps, asked.partial, asked.spec)
        return Network(target.build(loaded.manifest.inputs), _own_objects(Path(asked.into.partition(":")[0]).parent))
    if not asked.by_code:
        return Network(rebuild(store, loaded.manifest, allow_code=asked.allow_code, say=lambda _: None), {})
    known = settings.load()
    with Client(known.url, known.token or "") as client:
        run = client.run(asked.run)
        with told_in_their_words(run, code):
            model = rebuild_by_code(client, run, None, known, code).model
            complete(model, loaded.manifest.inputs)
    return Network(model, _own_objects(code))


def _own_objects(folder: Path) -> dict[str, Any]:
    """Return the classes and functions of what was loaded from `folder`, by the names that Keras looks for."""
    found: dict[str, Any] = {}
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if file and Path(file).resolve().is_relative_to(folder.resolve()) and "site-packages" not in file:
            found |= {one: value for one, value in vars(module).items() if getattr(value, "__module__", "") == name}
    return found


# How each form gives predictions

_Predict = Callable[[Inputs, Any], list[Any]]


def _by_model(model: Any) -> _Predict:
    return lambda inputs, arrays: call(model, inputs, arrays)


def _read_state(asked: RestoreJob, store: Store, loaded: Loaded, code: Path) -> _Predict:
    model = _make(asked, store, loaded, code).model
    plan = Target("", (), asked.maps, asked.partial).plan(loaded, model) if asked.into is not None else None
    fill(model, lambda: loaded.load_into(model, plan=plan, strict=not asked.partial), lambda _: None)
    return _by_model(model)


def _read_keras(asked: RestoreJob, store: Store, loaded: Loaded, code: Path) -> _Predict:
    import keras

    own = _make(asked, store, loaded, code).own if asked.into is not None or asked.by_code else {}
    options = {"custom_objects": own, "compile": False, "safe_mode": not asked.allow_code}
    return _by_model(keras.saving.load_model(asked.path, **options))


def _read_weights(asked: RestoreJob, store: Store, loaded: Loaded, code: Path) -> _Predict:
    model = _make(asked, store, loaded, code).model
    model.load_weights(asked.path)
    return _by_model(model)


def _read_tf(asked: RestoreJob, store: Store, loaded: Loaded, code: Path) -> _Predict:
    import tensorflow as tf

    model = _make(asked, store, loaded, code).model
    tf.train.Checkpoint(**parts_of(model)).read(asked.path).expect_partial()
    return _by_model(model)


def _read_savedmodel(asked: RestoreJob, store: Store, loaded: Loaded, code: Path) -> _Predict:
    import tensorflow as tf

    loaded_model = tf.saved_model.load(asked.path)  # its variables live as long as it does
    wanted = loaded_model.serve.concrete_functions[0].structured_input_signature[0][0]
    return lambda inputs, arrays: flatten(loaded_model.serve(_as_wanted(to_batch(inputs, arrays), wanted)))


def _as_wanted(batch: Any, wanted: Any) -> Any:
    """Return a batch in the structure that a SavedModel demands: Keras itself takes a tuple for a list, and a dict by
    the names of its inputs."""
    import keras

    if isinstance(batch, dict) and not isinstance(wanted, dict):
        named = [batch[spec.name] for spec in keras.tree.flatten(wanted)]
        return keras.tree.pack_sequence_as(wanted, named)
    return keras.tree.pack_sequence_as(wanted, keras.tree.flatten(batch))


#: Arrays by name (npz, safetensors) give no predictions: the state is put into the network, as they are it.
_WAYS: dict[str, Callable[[RestoreJob, Store, Loaded, Path], _Predict]] = {
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
