"""Keras' own callbacks with KeepBest in their place, or beside it: in each scenario what comes out is right.

Both are asked with the same `fit` of the same small network, whose metric a callback of the test's puts into the logs.
Where Keras does otherwise, docs/explanation/callback.md says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from keepbest import KeepBest, restore
from tests.support.networks import seed_all

NAN = float("nan")
#: Two batches an epoch.
STEPS = 2
COUNT = 8


class Fit:
    """A network under Adam, set back to its beginning before each training: TensorFlow traces it once."""

    def __init__(self, optimizer: Any = None) -> None:
        import keras
        import tensorflow as tf

        seed_all()
        self.model = keras.Sequential([keras.layers.Input((3,)), keras.layers.Dense(1)])
        self.model.compile(optimizer or keras.optimizers.Adam(0.1), "mse", jit_compile=False)
        self.model.optimizer.build(self.model.trainable_variables)
        x = np.random.default_rng(0).random((COUNT, 3), np.float32)
        self.x, self.y = x, x.sum(axis=1, keepdims=True)
        self.data = tf.data.Dataset.from_tensor_slices((self.x, self.y)).batch(COUNT // STEPS)
        self._variables = [*self.model.variables, *self.model.optimizer.variables]
        self._first = [variable.numpy() for variable in self._variables]

    def begin(self) -> None:
        for variable, value in zip(self._variables, self._first, strict=True):
            variable.assign(value)

    def __call__(self, *callbacks: Any, epochs: int, first: int = 0, data: Any = None, **options: Any) -> Any:
        given = {"epochs": epochs, "initial_epoch": first, "shuffle": False, "verbose": 0, **options}
        return self.model.fit(data or self.data, callbacks=[*callbacks], **given)

    def weights(self) -> list[Any]:
        return [np.array(weight) for weight in self.model.get_weights()]


@pytest.fixture(scope="module")
def fit() -> Fit:
    return Fit()


def scored(values: Sequence[float]) -> Any:
    """A callback that puts these into the logs as val_loss, one an epoch, and writes down the weights it saw."""
    import keras

    class Scored(keras.callbacks.Callback):  # type: ignore[misc]  # Keras ships no types
        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            logs["val_loss"] = values[epoch]
            self.weights.append([np.array(weight) for weight in self.model.get_weights()])

    callback = Scored()
    callback.weights = []
    return callback


def are_same(one: Sequence[Any], other: Sequence[Any]) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


STOPPING: list[tuple[list[float], dict[str, Any]]] = [
    ([5, 4, 3, 2, 1], {"patience": 1}),
    ([1, 2, 3, 4, 5], {"patience": 1}),
    ([1, 2, 3, 4, 5], {"patience": 0}),
    ([3, 1, 2, 2, 0.5, 1, 1], {"patience": 2}),
    ([3, 1, 2, 2, 0.5, 1, 1], {"patience": 3}),
    ([3, 1, 1, 1, 1, 1], {"patience": 2}),
    ([5, 4.5, 4.2, 4.1, 4.0, 3.9], {"patience": 2, "min_delta": 0.6}),
    ([5, 2, 3, 4, 5], {"patience": 2, "baseline": 2.5}),
    ([1, 2, 3, 9, 8, 9, 9, 9], {"patience": 2, "start_from_epoch": 3}),
    ([1, 3, 2, 2, 2], {"patience": 2, "mode": "max"}),
    ([3, 1, NAN, 2, 2], {"patience": 3}),
]


@pytest.mark.parametrize(("values", "options"), STOPPING)
def test_it_stops_where_early_stopping_does(fit: Fit, values: list[float], options: dict[str, Any]) -> None:
    import keras

    asked: dict[str, Any] = {"mode": "min", **options}
    theirs, ours = keras.callbacks.EarlyStopping("val_loss", **asked), KeepBest("val_loss", store=False, **asked)
    found = []
    for callback in (theirs, ours):
        fit.begin()
        found.append((len(fit(scored(values), callback, epochs=len(values)).epoch), callback.stopped_epoch))
    assert found[0] == found[1]


def test_a_baseline_that_is_never_beaten_ends_by_patience(fit: Fit) -> None:
    """Keras 3.15 goes on as long as each epoch is a little better than the last."""
    import keras

    values = [5, 4, 3, 2.9, 2.8]
    asked: dict[str, Any] = {"mode": "min", "patience": 2, "baseline": 2.5}
    found = []
    for callback in (keras.callbacks.EarlyStopping(**asked), KeepBest(store=False, **asked)):
        fit.begin()
        found.append(len(fit(scored(values), callback, epochs=len(values)).epoch))
    assert found == [5, 2]


@pytest.mark.parametrize("values", [[3, 1, 2, 2, 2], [3, 2, 1], [1, 2, 3, 4], [2, NAN, 1, 3, 3]])
def test_what_comes_back_is_the_best_epoch_of_early_stopping(fit: Fit, values: list[float]) -> None:
    import keras

    asked: dict[str, Any] = {"patience": 2, "mode": "min", "restore_best_weights": True}
    found = []
    for callback in (keras.callbacks.EarlyStopping(**asked), KeepBest(store=False, **asked)):
        fit.begin()
        seen = scored(values)
        fit(seen, callback, epochs=len(values))
        found.append(fit.weights())
        assert are_same(fit.weights(), seen.weights[int(np.nanargmin(values[: len(seen.weights)]))])
    assert are_same(*found)


def test_the_best_on_disk_is_that_of_model_checkpoint(fit: Fit, tmp_path: Path) -> None:
    import keras

    fit.begin()
    theirs = keras.callbacks.ModelCheckpoint(tmp_path / "best.keras", "val_loss", mode="min", save_best_only=True)
    ours = KeepBest("val_loss", mode="min", patience=9, store=tmp_path / "store")
    fit(scored([3, 1, 2, 0.5, 2]), theirs, ours, epochs=5)
    loaded, restored = keras.saving.load_model(tmp_path / "best.keras"), restore(ours.run, store=tmp_path / "store")
    assert are_same(loaded.get_weights(), restored.get_weights())
    assert are_same(*([one.numpy() for one in model.optimizer.variables] for model in (loaded, restored)))


def test_an_interrupted_fit_goes_on_as_with_backup_and_restore(fit: Fit, tmp_path: Path) -> None:
    """It ends as the one that nobody interrupted, and the best of before the interruption is still the best."""
    import keras

    values = [3, 1, 2, 2]
    fit.begin()
    fit(epochs=4)
    straight = fit.weights()
    fit.begin()
    keep = KeepBest("val_loss", mode="min", patience=9, store=tmp_path / "store")
    interrupted = keras.callbacks.LambdaCallback(on_epoch_begin=lambda epoch, logs: _interrupt(epoch == 2))
    with pytest.raises(KeyboardInterrupt):
        fit(scored(values), keep, interrupted, epochs=4)
    fit.begin()
    again = KeepBest("val_loss", mode="min", patience=9, store=tmp_path / "store", run=keep.run.id, resume=True)
    fit(scored(values), again, epochs=4, first=2)
    assert are_same(fit.weights(), straight)
    assert again.best == 1


def _interrupt(now: bool) -> None:
    if now:
        raise KeyboardInterrupt


PLATEAU = [3, 3, 3, 1, 1, 1, 1]


def test_reduce_on_plateau_halves_as_without(fit: Fit) -> None:
    """In fit's own list, and carried: the rates are those of a fit without KeepBest."""
    import keras

    def slowing() -> Any:
        return keras.callbacks.ReduceLROnPlateau("val_loss", factor=0.5, patience=1, cooldown=1, mode="min")

    def rates(*callbacks: Any) -> list[float]:
        fit.begin()
        return [float(one) for one in fit(scored(PLATEAU), *callbacks, epochs=len(PLATEAU)).history["learning_rate"]]

    expected = rates(slowing())
    assert len(set(expected)) > 1
    keep: dict[str, Any] = {"mode": "min", "patience": 9, "store": False}
    assert rates(KeepBest("val_loss", **keep), slowing()) == expected
    assert rates(slowing(), KeepBest("val_loss", **keep)) == expected
    carrying = KeepBest("val_loss", carry=[slowing()], **keep)
    fit.begin()
    seen = _rates_seen()
    fit(scored(PLATEAU), carrying, seen, epochs=len(PLATEAU))
    assert seen.rates == [*expected[1:], seen.rates[-1]]


def _rates_seen() -> Any:
    import keras

    class Rates(keras.callbacks.Callback):  # type: ignore[misc]  # Keras ships no types
        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            self.rates.append(float(self.model.optimizer.learning_rate))

    callback = Rates()
    callback.rates = []
    return callback


def test_terminate_on_nan_ends_it_and_the_best_stays(fit: Fit, tmp_path: Path) -> None:
    """What came before the first NaN is given back; without Keras' callback the fit goes on, and that is still so."""
    import keras
    import tensorflow as tf

    broken = [(fit.x[:4], fit.y[:4])] * 4 + [(fit.x[:4] * NAN, fit.y[:4])] * 4
    x, y = (np.concatenate(parts) for parts in zip(*broken, strict=True))
    data = tf.data.Dataset.from_tensor_slices((x, y)).batch(4).repeat()
    for others, epochs in (([keras.callbacks.TerminateOnNaN()], 3), ([], 4)):
        fit.begin()
        keep = KeepBest("loss", mode="min", patience=9, store=tmp_path, restore_best_weights=True)
        assert len(fit(*others, keep, epochs=4, data=data, steps_per_epoch=2).epoch) == epochs
        assert np.isfinite(keep.best or NAN)
        assert all(np.isfinite(weight).all() for weight in fit.weights())
