"""Which run a fit belongs to: one callback may train several models, be copied, or go on with a model compiled anew."""

from __future__ import annotations

import copy
import gc
import json
import pickle
import re
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from keepbest.checkpoint import Store, choose
from keepbest.errors import CheckpointMismatch
from tests.support.callbacks import STEPS, Script, heard_run, keep_best
from tests.support.processes import ROOT, Processes


def weight_of(script: Script) -> float:
    return float(script.weight.numpy()[0, 0])


def test_each_fold_has_a_run_of_its_own(tmp_path: Path) -> None:
    """One list of callbacks for all folds: the second is worse in every validation than the first."""
    callback, scripts, runs = keep_best(tmp_path, patience=3, mode="max", restore_best_weights=True), [], []
    for validations in ([0.5, 0.9, 0.4], [0.3, 0.2, 0.1]):
        scripts.append(Script())
        began = weight_of(scripts[-1])
        scripts[-1].fit(callback, validations)
        runs.append(callback.run.id)
        kept = choose(Store(tmp_path), callback.run.id)
        assert (callback.best, callback.best_epoch) == (max(validations), validations.index(max(validations)) + 1)
        assert weight_of(scripts[-1]) - began == pytest.approx(callback.best_step)
        assert (kept.value, kept.step) == (callback.best, callback.best_step)
    assert len(set(runs)) == 2
    assert choose(Store(tmp_path), runs[0]).value == 0.9


def test_a_model_at_the_address_of_a_freed_one_is_another() -> None:
    callback, addresses = keep_best(patience=9, restore_best_weights=True), set()
    for value in (0.1, 0.2, 0.3):
        script = Script()
        addresses.add(id(script.model))
        script.fit(callback, [value])
        assert callback.best == value
        del script
        gc.collect()


def test_the_second_model_of_a_run_that_is_heard_of_says_so(caplog: pytest.LogCaptureFixture) -> None:
    run, uploader, _ = heard_run(mode="min", checks=1)
    callback = keep_best(run=run, monitor="val_loss")
    Script().fit(callback, [0.1])
    said = len(uploader.items)
    assert Script().fit(callback, [0.3, 0.3, 0.3]) == 2 * STEPS  # by the stopper that the run has
    assert callback.run is not run
    assert len(uploader.items) == said
    copy.deepcopy(callback)
    assert [run.id in record.message for record in caplog.records] == [True, True]


def test_a_run_tells_its_direction_under_another_stopper_too() -> None:
    run, uploader, _ = heard_run(mode="max")
    run.monitor = "score"
    callback = keep_best(run=run, monitor="score", mode="auto", patience=9)
    assert (callback.run.stopper.mode, callback.run.stopper.spec["params"]["checks"]) == ("max", 9)
    assert keep_best(run=run, monitor="other", mode="auto", patience=9).run.stopper.mode is None
    assert len(uploader.items) == 2


def test_what_was_carried_begins_with_the_second_model_anew() -> None:
    import keras

    reducer = keras.callbacks.ReduceLROnPlateau("val_loss", patience=2, factor=0.1, min_lr=0)
    callback = keep_best(patience=9, carry=[reducer])
    first, second = Script(), Script()
    first.fit(callback, [1, 2])
    assert reducer.wait == 1
    second.fit(callback, [3, 4])
    assert float(second.rate.numpy()) == float(first.rate.numpy())  # not reduced: it waits for one validation only


@pytest.mark.parametrize("copied", [copy.deepcopy, copy.copy, lambda one: pickle.loads(pickle.dumps(one))])  # noqa: S301
@pytest.mark.parametrize("is_used", [False, True])
def test_a_copy_trains_a_run_of_its_own(tmp_path: Path, copied: Any, is_used: bool) -> None:
    """KerasTuner copies the callbacks for each trial."""
    x = np.ones((4, 2), np.float32)
    original = keep_best(tmp_path, patience=1, restore_best_weights=True, validation=(x, x[:, :1]), panels=None)
    if is_used:
        Script().fit(original, [0.1])
    twin = copied(original)
    script = Script()
    began = weight_of(script)
    assert script.fit(twin, [0.5, 0.6, 0.7]) == 2 * STEPS
    assert weight_of(script) - began == pytest.approx(STEPS)
    assert (twin.best, original.best) == (0.5, 0.1 if is_used else None)
    assert twin.run.id != original.run.id
    assert choose(Store(tmp_path), twin.run.id).value == 0.5


def test_a_copy_of_a_callback_that_resumes_does_not(tmp_path: Path) -> None:
    first = keep_best(tmp_path)
    Script().fit(first, [0.1])
    twin = copy.deepcopy(keep_best(tmp_path, run=first.run.id, resume=True))
    Script().fit(twin, [0.5])
    assert (twin.best, twin.position.step) == (0.5, STEPS)


@pytest.fixture
def small() -> Any:
    """A small model and what makes it train: `fit(epochs, *callbacks)` returns the epochs that were run, and steps."""
    import keras

    x = np.ones((8, 2), np.float32)
    scores = [0.5, 0.6, 0.9, 0.4, 0.45, 0.46, 0.47, 0.48]

    class Score(keras.callbacks.Callback):  # type: ignore[misc]  # Keras ships no types
        def __init__(self, dies_at: int | None) -> None:
            super().__init__()
            self.dies_at = dies_at
            self.seen: list[tuple[int, int]] = []

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            logs["score"] = scores[epoch]
            self.seen.append((epoch, int(self.model.optimizer.iterations)))
            if epoch == self.dies_at:
                raise KeyError("killed")

    def make(units: int = 1) -> Any:
        model = keras.Sequential([keras.layers.Input((2,)), keras.layers.Dense(units)])
        model.compile("adam", "mse", jit_compile=False)
        return model

    def fit(model: Any, epochs: int, *callbacks: Any, dies_at: int | None = None, **more: Any) -> list[tuple[int, int]]:
        score = Score(dies_at)
        with suppress(KeyError):
            model.fit(x, x[:, :1], 4, epochs=epochs, verbose=0, callbacks=[score, *callbacks], **more)
        return score.seen

    return make, fit


def test_a_fit_that_goes_on_ends_where_it_was_to_end(tmp_path: Path, small: Any) -> None:
    make, fit = small
    said: dict[str, Any] = {"monitor": "score", "mode": "max", "patience": 9}
    first = keep_best(tmp_path, **said)
    assert fit(make(), 5, first, dies_at=3) == [(0, 2), (1, 4), (2, 6), (3, 8)]
    assert first.keeper.drain(20)
    model, again = make(), keep_best(tmp_path, **said, run=first.run.id, resume=True)
    assert fit(model, 5, again, initial_epoch=1) == [(3, 8), (4, 10)]  # Keras' own word loses
    assert fit(model, 2, again) == [(0, 12), (1, 14)]  # a later fit counts its own epochs
    done = keep_best(tmp_path, **said, run=first.run.id, resume=True, restore_best_weights=True)
    assert fit(make(), 2, done) == []  # it is past that
    assert (done.best, done.best_step) == (0.9, 6)
    other = make(units=2)
    with pytest.raises(CheckpointMismatch, match="Another model is a run of its own"):
        fit(other, 5, keep_best(tmp_path, **said, run=first.run.id, resume=True))


@pytest.mark.parametrize("is_before", [True, False])
def test_beside_keras_own_backup(tmp_path: Path, small: Any, is_before: bool, caplog: pytest.LogCaptureFixture) -> None:
    """The backup is of epoch 4, the checkpoint of epoch 3. Weights and epoch belong together in either order."""
    import keras

    def pair(**more: Any) -> list[Any]:
        backup = keras.callbacks.BackupAndRestore(str(tmp_path / "backup"))
        kept = keep_best(tmp_path / "store", monitor="score", mode="max", patience=9, **more)
        return [backup, kept] if is_before else [kept, backup]

    make, fit = small
    first = pair()
    fit(make(), 6, *first, dies_at=4)
    kept = first[is_before]
    assert kept.keeper.drain(20)
    again = pair(run=kept.run.id, resume=True)
    seen = fit(make(), 6, *again)
    assert seen == ([(3, 8), (4, 10), (5, 12)] if is_before else [(4, 10), (5, 12)])
    assert (again[is_before].best, again[is_before].position.step) == (0.9, 12)
    assert [epoch for epoch, _ in fit(again[is_before].model, 2, again[is_before])] == [0, 1]  # Keras' word is gone
    assert ["BackupAndRestore" in record.message for record in caplog.records] == ([] if is_before else [True])


def test_two_callbacks_in_one_fit_have_a_best_each(tmp_path: Path, small: Any) -> None:
    """One keeps the best accuracy, the other stops by the loss; Keras' ModelCheckpoint stands beside them."""
    import keras

    make, fit = small
    model, path = make(), tmp_path / "best.keras"
    keeps = keep_best(tmp_path / "store", monitor="score", mode="max", patience=9, restore_best_weights=True)
    stops = keep_best(tmp_path / "store", monitor="loss", stopper="max_steps(12)")
    beside = keras.callbacks.ModelCheckpoint(str(path), "score", mode="max", save_best_only=True)
    assert fit(model, 8, keeps, stops, beside)[-1] == (5, 12)
    assert (keeps.best_step, stops.best_step, stops.stop_reason, keeps.stop_reason) == (6, 12, "max_steps", None)
    bests = [choose(Store(tmp_path / "store"), one.run.id).step for one in (keeps, stops)]
    assert bests == [6, 12]
    kept, own = keras.models.load_model(path).get_weights(), model.get_weights()
    assert all(np.array_equal(a, b) for a, b in zip(kept, own, strict=True))


def test_the_best_of_the_first_phase_comes_back_after_the_second(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Fine-tuning: the first layer frozen, then not, and compiled anew with another optimizer."""
    import keras

    layers = [keras.layers.Input((2,)), keras.layers.Dense(3), keras.layers.BatchNormalization(), keras.layers.Dense(1)]
    model, x = keras.Sequential(layers), np.ones((8, 2), np.float32)
    run = keep_best(tmp_path, monitor="score", mode="max", patience=9, restore_best_weights=True)
    bests = []

    def train(optimizer: Any, scores: list[float]) -> None:
        model.compile(optimizer, "mse", jit_compile=False)
        put = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: logs.update(score=scores[epoch]))
        keep = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: bests.append(values()))
        model.fit(x, x[:, :1], 4, epochs=3, verbose=0, callbacks=[put, run, keep])

    def values() -> dict[str, Any]:
        return {one.path: one.numpy().tolist() for one in model.variables}

    model.layers[0].trainable = False
    train(keras.optimizers.Adam(0.1), [0.1, 0.9, 0.5])
    assert values() == bests[1]
    model.layers[0].trainable = True
    train(keras.optimizers.SGD(0.1, momentum=0.9), [0.3, 0.4, 0.2])
    assert (values(), run.best_step) == (bests[1], 4)
    assert ["with SGD after Adam" in record.message for record in caplog.records] == [True]
    run.keeper.buffer.forget()  # from disk, too
    model.layers[0].trainable = False
    run.roll_back()
    assert values() == bests[1]


@pytest.mark.parametrize("first_epoch", [2, 0])
def test_a_script_restarted_in_its_second_phase_goes_on_there(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, first_epoch: int
) -> None:
    """Its first fit has another optimizer, for fewer variables. Where epochs count on it has nothing left to do."""
    import keras

    x = np.arange(16, dtype=np.float32).reshape(8, 2) / 16

    def train(run: str, dies_at: int | None = None, *, resume: bool = False) -> tuple[list[int], list[Any]]:
        keras.utils.set_random_seed(1)
        model = keras.Sequential([keras.layers.Input((2,)), keras.layers.Dense(3), keras.layers.Dense(1)])
        keep = keep_best(tmp_path, monitor="loss", patience=99, save_freq="epoch", run=run, resume=resume)
        epochs = []

        def note(epoch: int, logs: Any) -> None:
            epochs.append(epoch)
            if epoch == dies_at and model.layers[0].trainable:
                raise KeyError("killed")

        note_epoch = keras.callbacks.LambdaCallback(on_epoch_end=note)
        with suppress(KeyError):
            for is_free, optimizer in enumerate([keras.optimizers.Adam(0.1), keras.optimizers.SGD(0.1, momentum=0.9)]):
                model.layers[0].trainable = bool(is_free)
                model.compile(optimizer, "mse", run_eagerly=True)
                fit = {"epochs": 5, "initial_epoch": first_epoch} if is_free else {"epochs": 2}
                model.fit(x, x[:, :1], 4, verbose=0, callbacks=[keep, note_epoch], **fit)
        return epochs, [one.numpy().tolist() for one in (*model.variables, *model.optimizer.variables)]

    _, whole = train("1" * 12)
    train("2" * 12, dies_at=first_epoch + 1)
    epochs, values = train("2" * 12, resume=True)  # at once: the writer of the fit that died is waited for
    assert values == whole
    assert epochs == ([4] if first_epoch else [2, 3, 4])
    assert ["after another compile()" in record.message for record in caplog.records].count(True) == 1


BROKEN_OFF = """
import os, signal, sys, time
from pathlib import Path
from keepbest.checkpoint import Store
from tests.support.callbacks import Script, keep_best

write = Store.write
Store.write = lambda *given: time.sleep(0.5) or write(*given)  # the disk is slower than the signal
callback = keep_best(Path(sys.argv[1]))
print(callback.run.id, flush=True)
Script().fit(callback, [3, 1, 2], send=lambda step: step == 12 and os.kill(os.getpid(), signal.SIGTERM))
"""


def test_a_fit_that_is_broken_off_leaves_its_best_on_disk(tmp_path: Path, processes: Processes) -> None:
    process = processes.start(sys.executable, "-c", BROKEN_OFF, tmp_path, PYTHONPATH=str(ROOT))
    assert process.wait() == 143, process.output
    run = next(line for line in process.output.splitlines() if re.fullmatch("[a-z0-9]{12}", line))
    assert [(kept.step, kept.value) for kept in Store(tmp_path).manifests(run)][-1:] == [(2 * STEPS, 1.0)]


REPLICAS = """
import json, sys
import tensorflow as tf
tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2)
tf.config.experimental.enable_op_determinism()
import keras, numpy as np
from pathlib import Path
from keepbest import restore
from tests.support.callbacks import keep_best

keras.utils.set_random_seed(0)
x = np.random.default_rng(0).normal(size=(32, 4)).astype(np.float32)
layers = [keras.Input((4,)), keras.layers.Dense(4), keras.layers.BatchNormalization(), keras.layers.Dense(1)]
with tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]).scope():
    model = keras.Sequential(layers)
    model.compile("adam", "mse", jit_compile=False)
seen = []

class Score(keras.callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None):
        logs["score"] = [3, 1, 2][epoch]
        seen.append([[part.numpy().tolist() for part in one.value.values] for one in model.variables])

callback = keep_best(Path(sys.argv[1]), monitor="score", restore_best_weights=True)
model.fit(x, x[:, :1], 8, epochs=3, verbose=0, callbacks=[Score(), callback])
now = [[part.numpy().tolist() for part in one.value.values] for one in model.variables]
disk = [one.numpy().tolist() for one in restore(callback.run, store=sys.argv[1]).variables]
is_first = [[a] * 2 == c and a == d for (a, _), c, d in zip(seen[1], now, disk, strict=True)]
print(json.dumps({"alike": [a == b for a, b in seen[1]], "back": is_first}))
"""


def test_all_replicas_go_back_and_it_is_said_where_they_differ(tmp_path: Path, processes: Processes) -> None:
    """Two devices: BatchNormalization's moving statistics (the fifth and sixth variable) differ between them.

    Operations are deterministic there, too, which forbids a global generator that was seeded by chance.
    """
    process = processes.start(sys.executable, "-c", REPLICAS, tmp_path, PYTHONPATH=str(ROOT))
    assert process.wait() == 0, process.output
    found = json.loads(next(line for line in process.output.splitlines() if line.startswith('{"alike"')))
    assert found == {"alike": [True] * 4 + [False] * 2 + [True] * 2, "back": [True] * 8}
    assert process.output.count("moving statistics of its own in batch_normalization") == 1
