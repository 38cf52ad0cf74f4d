"""A plain program of a user who never installed keepbest: `plain_reader.py SITE FOLDER NETWORKS`.

Run it with `python -I -S`, which knows no package but Python's own: it adds the folder SITE itself, past the file that
leads to keepbest. Reads every format in FOLDER with the library it is meant for, and answers in FOLDER/answers.npz.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any


def main(site: str, folder: Path, networks: str) -> None:
    sys.path.append(site)
    if importlib.util.find_spec("keepbest") is not None:
        raise SystemExit(f"keepbest is installed in {site}: this proves nothing.")
    import keras
    import numpy as np
    import tensorflow as tf
    from safetensors.numpy import load_file

    x, dense = np.load(folder / "x.npy"), code_of_the_user(networks)
    whole = keras.models.load_model(folder / "model.keras")
    light, full = dense(), dense()
    for model in (light, full):
        model.optimizer.build(model.trainable_variables)
    light.load_weights(folder / "model.weights.h5")
    tf.train.Checkpoint(model=full, optimizer=full.optimizer).read(str(folder / "model")).expect_partial()
    served = tf.saved_model.load(str(folder / "savedmodel"))
    answers = {"savedmodel": served.serve(x)}
    answers |= {name: model(x) for name, model in (("keras", whole), ("weights", light), ("tf", full))}
    optimizers = {"keras": whole.optimizer, "weights": light.optimizer, "tf": full.optimizer}
    for name, optimizer in optimizers.items():
        answers |= {f"{name}/optimizer/{index}": one.numpy() for index, one in enumerate(optimizer.variables)}
    answers |= {f"safetensors/{name}": array for name, array in load_file(folder / "state.safetensors").items()}
    with np.load(folder / "state.npz") as read:
        answers |= {f"npz/{name}": read[name] for name in read.files}
    arrays: dict[str, Any] = {name: np.asarray(value) for name, value in answers.items()}
    np.savez(folder / "answers.npz", **arrays)


def code_of_the_user(path: str) -> Any:
    """Return the function that builds the network: `weights` and `tf` hold none."""
    spec = importlib.util.spec_from_file_location("networks", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.dense


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), sys.argv[3])
