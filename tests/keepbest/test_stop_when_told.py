"""StopWhenTold in a training of Keras: it asks after each epoch, obeys, and never fails a training itself."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib import import_module
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest


class MlflowException(Exception):
    """As MLflow's client raises it."""


class Client:
    """What MLflow's client knows of one run, which is told to stop after so many questions."""

    def __init__(self, stops_after: int, run: str | None = "r" * 12) -> None:
        self.run, self.stops_after = run, stops_after
        self.asked: list[str] = []
        self.said: list[tuple[str, str, str]] = []
        self.flushed = 0

    def get_run(self, run: str) -> Any:
        self.asked.append(run)
        if self.stops_after < 0:
            raise MlflowException("no answer")
        tags = {"keepbest.stop": "patience: enough"} if len(self.asked) >= self.stops_after else {}
        return SimpleNamespace(data=SimpleNamespace(tags=tags))

    def set_tag(self, run: str, key: str, value: str) -> None:
        self.said.append((run, key, value))

    def flush(self) -> None:
        self.flushed += 1


Train = Callable[..., tuple[Any, int]]


@pytest.fixture
def train(monkeypatch: pytest.MonkeyPatch) -> Train:
    """Train four epochs beside a client; return the callback and how many epochs there were."""

    def run(client: Client, **given: Any) -> tuple[Any, int]:
        import keras

        module = ModuleType("mlflow")
        active = None if client.run is None else SimpleNamespace(info=SimpleNamespace(run_id=client.run))
        known = {
            "active_run": lambda: active, "flush_async_logging": client.flush, "MlflowClient": lambda: client,
            "exceptions": SimpleNamespace(MlflowException=MlflowException),
        }  # fmt: skip
        for name, value in known.items():
            setattr(module, name, value)
        monkeypatch.setitem(sys.modules, "mlflow", module)
        monkeypatch.delitem(sys.modules, "keepbest.mlflow", raising=False)
        callback = import_module("keepbest.mlflow").StopWhenTold(**given)
        model = keras.Sequential([keras.layers.Input((3,)), keras.layers.Dense(1)])
        model.compile("sgd", "mse", jit_compile=False)
        x = np.zeros((4, 3), np.float32)
        history = model.fit(x, x[:, :1], epochs=4, verbose=0, callbacks=[callback])
        return callback, len(history.epoch)

    return run


def test_training_ends_in_the_epoch_that_is_told(train: Train) -> None:
    client = Client(stops_after=2)
    callback, epochs = train(client)
    assert (epochs, callback.told) == (2, "patience: enough")
    assert client.said == [(client.run, "keepbest.stopped", "patience: enough")]
    assert (client.asked, client.flushed) == ([client.run] * 2, 2)


def test_a_named_run_is_asked_about(train: Train) -> None:
    client = Client(stops_after=9)
    callback, epochs = train(client, run_id="other")
    assert (epochs, callback.told, set(client.asked)) == (4, None, {"other"})


def test_a_tracker_that_does_not_answer_ends_nothing(train: Train) -> None:
    with pytest.warns(UserWarning, match="keepbest did not answer: no answer"):
        assert train(Client(stops_after=-1))[1] == 4


def test_a_training_without_a_run_is_told_so(train: Train) -> None:
    client = Client(stops_after=1, run=None)
    with pytest.warns(UserWarning, match="no run of MLflow is active"):
        assert train(client)[1] == 4
    assert client.asked == []
