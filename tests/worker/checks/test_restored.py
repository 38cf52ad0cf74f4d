"""Networks of a run's own classes: built by its code in a fresh process, written as files, and checked there."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from keepbest.checkpoint import CheckpointInfo, Store
from keepbest.cli.common.errors import Exit
from keepbest.cli.main import main
from keepbest.snapshots.snapshot import ModelVariables, capture
from keepbest.snapshots.state import Position
from tests.support import own_code
from tests.support.own_code import Trained

CODE = """
import keras
import numpy as np

class Net(keras.Model):
    def __init__(self, units, data):
        super().__init__()
        self.inner, self.out, self.about = keras.layers.Dense(units, "tanh"), keras.layers.Dense(2, "softmax"), data

    def call(self, inputs):
        return self.out(self.inner(inputs["x"]))

def build(units: int, data: str = "nothing"):
    assert data == "mine"
    x = np.random.default_rng(0).random((300, 5), dtype="float32")
    y = (x.sum(axis=1) > 2.5).astype("int32")
    model = Net(units, data)
    model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    return model, ({"x": x[:200]}, y[:200]), ({"x": x[200:]}, y[200:])
"""


@pytest.fixture
def kept(train: Callable[..., Trained], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Trained:
    """A run of that code, one checkpoint of it, and examples in that."""
    from keepbest.training.network import describe_network
    from keepbest.training.reference_examples import References
    from keepbest.training.spec import Training, build_model

    space: dict[str, Any] = {"__name__": "my_model"}
    exec(CODE, space)  # noqa: S102
    training = Training.of(space["build"](units=6, data="mine"))
    build_model(training)
    (tmp_path / "code" / "my_model.py").write_text(CODE)
    monkeypatch.setattr(own_code, "build_and_measure", lambda: (training.model, 0.0))
    trained = train(parameters={"units": 6}, data="mine")
    living, references = ModelVariables(training.model), References(training.validation[0], 8)
    state = capture(living, position=Position(100))
    state = replace(state, predictions=references.predict(training.model, living, state))
    about = CheckpointInfo(
        run=trained.worker.run, at=datetime.now(UTC), value=0.5, monitor="val_loss", mode="min",
        network=describe_network(training.model), inputs=references.inputs,
    )  # fmt: skip
    written = Store(trained.live.folder / "store").write(state, about)
    trained.worker.checkpoint(100, 0.5, id=written.manifest.id, digest=written.digest)
    return trained


def run(capsys: pytest.CaptureFixture[str], *words: str | Path) -> tuple[int, str, str]:
    capsys.readouterr()
    status = main([str(word) for word in words])
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def test_by_the_runs_own_code(kept: Trained, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    import tensorflow as tf

    to = tmp_path / "served"
    status, out, err = run(capsys, "restore", kept.worker.run, "--to", to, "--as", "savedmodel", "--check")
    assert status == Exit.OK, err
    assert "no description" in err
    assert "Running the run's own code, my_model.py:build of its bundle, in a fresh process" in err
    assert out.splitlines()[-1].endswith("at most, within the tolerance of 1e-5")
    x = np.ones((3, 5), np.float32)
    served = tf.saved_model.load(str(to / "savedmodel"))
    assert np.allclose(served.serve({"x": x}), kept.model({"x": x}), atol=1e-6)


def test_into_a_function_which_gets_what_the_run_gave(
    kept: Trained, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Its units and its data; a network of the same variables that computes otherwise is off."""
    code, out = tmp_path / "code" / "my_model.py", tmp_path / "out"
    into = ("restore", kept.worker.run, "--into", f"{code}:build")
    status, _, err = run(capsys, *into, "--to", out, "--as", "weights")
    assert status == Exit.OK, err
    status, _, err = run(capsys, *into, "--set", "units=7", "--to", tmp_path / "other")
    assert (status, "does not fit the model" in err) == (Exit.ERROR, True)
    code.write_text(CODE.replace('"tanh"', '"softsign"'))  # of another length: within a second Python sees that alone
    status, said, err = run(capsys, *into, "--check", "--json")
    assert (status, json.loads(said)["within"]) == (Exit.RECEIPT_DIFFERS, False), err
