"""Receipts: a fresh process gives the recorded value to the last bit, or says by how much it does not."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from keepbest.bundle import pack
from keepbest.checkpoint import About, Store
from keepbest.cli.failing import Exit
from keepbest.cli.main import main
from keepbest.contract.runs import CodeSource, Parameter, RunRequest
from keepbest.snapshot import Variables, capture
from keepbest.state import Position
from tests.support.live import FakeWorker, Live
from tests.worker.needs import need_tensorflow

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
        about = About(run=self.worker.run, at=datetime.now(UTC), value=value, monitor="val_loss", mode="min")
        state = capture(Variables(self.model), position=Position(step))
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
        units = Parameter(name="units", type="int", default=4)
        source = CodeSource(bundle=bundle.digest, entry="my_model.py:build", signature=[units])
        usual = {"source": source, "monitor": "val_loss", "mode": "min"}
        client.submit(RunRequest.model_validate({**usual, **asked}))


def build_and_measure() -> tuple[Any, float]:
    """Return a model with weights of its own, and its loss by the trainer's ruler."""
    from worker.trainer.measure import Ruler

    space: dict[str, Any] = {}
    exec(CODE, space)  # noqa: S102
    model, _, validation = space["build"]()
    return model, Ruler(validation).measure(model).values["loss"]


def verify(run: str, capsys: pytest.CaptureFixture[str], *which: str) -> tuple[int, str, str]:
    capsys.readouterr()
    status = main(["restore", run, "--verify", *which])
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def test_equal_to_the_last_bit_and_off_by_one(
    train: Callable[..., Trained], live: Live, capsys: pytest.CaptureFixture[str]
) -> None:
    trained = train()
    trained.keep(math.nextafter(trained.loss, math.inf), step=100)
    status, out, _ = verify(trained.worker.run, capsys)
    assert status == Exit.RECEIPT_DIFFERS
    assert "equal to the last bit" not in out
    trained.keep(trained.loss, step=200)
    status, out, err = verify(trained.worker.run, capsys)
    assert (status, err) == (0, "Measuring the restored model in a fresh process …\n")
    assert out.splitlines() == [
        f"recorded   val_loss {trained.loss!r} at step 200",
        f"restored   val_loss {trained.loss!r} on 100 examples, in a fresh process",
        "difference 0.0 (equal to the last bit)",
    ]
    with live.client() as client:
        assert [receipt.equal for receipt in client.receipts(trained.worker.run).receipts] in (
            [True, False],
            [False, True],
        )


def test_code_that_fails_now_is_told_in_its_own_words(
    train: Callable[..., Trained], capsys: pytest.CaptureFixture[str]
) -> None:
    trained = train(parameters={"units": 13})
    trained.keep(trained.loss)
    status, _, err = verify(trained.worker.run, capsys)
    assert status == Exit.ERROR
    assert "thirteen" in err
    assert "Traceback" not in err


def test_a_model_of_another_shape_names_the_variables(
    train: Callable[..., Trained], capsys: pytest.CaptureFixture[str]
) -> None:
    trained = train(parameters={"units": 7})
    trained.keep(trained.loss)
    status, _, err = verify(trained.worker.run, capsys)
    assert status == Exit.ERROR
    assert "kernel" in err
