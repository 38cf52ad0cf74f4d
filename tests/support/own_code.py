"""A run of a user's own code, with checkpoints as a trainer would have written them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from keepbest.checkpoint import CheckpointInfo, Store
from keepbest.client.bundle import pack
from keepbest.contract.runs import CodeSource, Parameter, RunRequest
from keepbest.snapshots.snapshot import ModelVariables, capture
from keepbest.snapshots.state import Position
from tests.support.live import FakeWorker, Live
from tests.support.need import need_tensorflow

CODE = """
import numpy as np

def build(units: int = 4):
    import keras
    print("the user's own words")
    if units == 13:
        raise SystemExit("thirteen")
    x = np.random.default_rng(0).random((300, 5), dtype="float32")
    y = (x.sum(axis=1) > 2.5).astype("int32")
    layers = [keras.layers.Input((5,)), keras.layers.Dense(units), keras.layers.Dense(2, activation="softmax")]
    model = keras.Sequential(layers)
    model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    return model, (x[:200], y[:200]), (x[200:], y[200:])
"""


@dataclass
class Trained:
    """A run of a user's own code, claimed, and the model it would train."""

    live: Live
    worker: FakeWorker
    model: Any
    loss: float

    def keep(self, value: float, step: int = 100) -> None:
        """Write the model as a checkpoint of this value."""
        about = CheckpointInfo(run=self.worker.run, at=datetime.now(UTC), value=value, monitor="val_loss", mode="min")
        state = capture(ModelVariables(self.model), position=Position(step))
        written = Store(self.live.folder / "store").write(state, about)
        self.worker.checkpoint(step, value, id=written.manifest.id, digest=written.digest)


@pytest.fixture
def train(live: Live, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Trained]]:
    need_tensorflow()
    for name, value in (("URL", live.url), ("TOKEN", live.admin), ("DIR", str(tmp_path / "home"))):
        monkeypatch.setenv(f"KEEPBEST_{name}", value)
    folder = tmp_path / "code"
    folder.mkdir()
    (folder / "my_model.py").write_text(CODE)
    worker = live.add_worker()

    def begin(**asked: object) -> Trained:
        submit(live, folder, **asked)
        worker.claim()
        return Trained(live, worker, *build_and_measure())

    yield begin
    worker.client.close()


def submit(live: Live, folder: Path, **asked: object) -> None:
    with live.client() as client:
        bundle = client.add_bundle(pack(folder).content)
        takes = [Parameter(name="units", type="int", default=4)]
        takes += [Parameter(name="data", type="str", default="")] if "data" in asked else []
        source = CodeSource(bundle=bundle.digest, entry="my_model.py:build", signature=takes)
        usual = {"source": source, "monitor": "val_loss", "mode": "min"}
        client.submit(RunRequest.model_validate({**usual, **asked}))


def build_and_measure() -> tuple[Any, float]:
    """Return a model with weights of its own, and its loss as the trainer measures it."""
    from worker.trainer.evaluate import Evaluator

    space: dict[str, Any] = {}
    exec(CODE, space)  # noqa: S102
    model, _, validation = space["build"]()
    return model, Evaluator(validation).measure(model).values["loss"]
