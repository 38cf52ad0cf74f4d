"""The callback, fed with validations: Keras' own EarlyStopping scenarios, what Keras gets wrong, and commands."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from keepbest.checkpoint import Store, choose
from keepbest.contract.batches import CheckpointDropped, CheckpointDurable, ReportedValidation
from keepbest.contract.policies import RetentionSpec
from keepbest.errors import InvalidInput, MetricMissing
from keepbest.stopping import Losses, Unpaired
from keepbest.stopping.pairs import from_record
from tests.support.callbacks import STEPS, Script, heard_run, keep_best

NAN = float("nan")


@pytest.fixture
def script() -> Script:
    return Script()


# Stopping


@pytest.mark.parametrize(("patience", "epochs", "best"), [(0, 3, 9), (1, 3, 9), (2, 6, 8), (3, 8, 7.7)])
def test_patience_as_in_keras_own_tests(script: Script, patience: int, epochs: int, best: float) -> None:
    callback = keep_best(patience=patience)
    assert script.fit(callback, [10, 9, 9, 8, 9, 8.9, 7.7, 8.5]) == epochs * STEPS
    assert callback.best == best


def test_min_delta_gives_no_credit_for_creeping(script: Script) -> None:
    callback = keep_best(patience=2, min_delta=-1)  # the sign does not matter, as in Keras
    assert script.fit(callback, [10, 9.5, 9.2, 8, 7]) == 3 * STEPS
    assert callback.best == 9.2  # the wait ignores small gains, the best does not


def test_a_baseline_that_is_never_beaten(script: Script) -> None:
    callback = keep_best(patience=3, baseline=1.0)
    assert script.fit(callback, [5, 4, 3, 2, 1.5]) == 3 * STEPS
    assert callback.best == 3


def test_early_epochs_do_not_count(script: Script) -> None:
    callback = keep_best(patience=2, start_from_epoch=3)
    assert script.fit(callback, [1, 2, 3, 9, 9, 9, 9]) == 6 * STEPS
    assert (callback.best, callback.best_epoch) == (9, 4)


def test_nan_first_is_never_the_best(script: Script) -> None:
    """Keras 3.15: best stays NaN, it stops by patience and restores the NaN epoch."""
    callback = keep_best(patience=3, restore_best_weights=True)
    script.fit(callback, [NAN, 0.9, 0.5, 0.3, NAN, NAN, NAN])
    assert (callback.best, callback.best_epoch) == (0.3, 4)
    assert script.iteration.numpy() == 4 * STEPS


def test_values_are_compared_as_they_were_measured(script: Script) -> None:
    """Keras compares in float32, where these are a tie."""
    callback = keep_best(patience=9, mode="max")
    script.fit(callback, [0.98, 0.98 + 1e-9])
    assert callback.best_epoch == 2


def test_the_best_comes_back_with_its_optimizer(script: Script) -> None:
    """Keras' restore_best_weights leaves the optimizer where it was."""
    callback = keep_best(patience=2, restore_best_weights=True)
    script.fit(callback, [3, 1, 2, 2])
    assert (script.iteration.numpy(), callback.best_step, callback.stop_reason) == (2 * STEPS, 2 * STEPS, "patience")
    assert (callback.wait, callback.stopped_epoch) == (2, 3)  # Keras counts from 0


def test_without_being_asked_nothing_comes_back(script: Script) -> None:
    script.fit(keep_best(patience=2), [3, 1, 2, 2])
    assert script.iteration.numpy() == 4 * STEPS


def test_a_second_fit_goes_on(script: Script) -> None:
    """Keras: best 0.2, wait 2 -> best 0.7, wait 0; so `fit` in a loop never stops."""
    callback = keep_best(patience=4)
    script.fit(callback, [0.2, 0.3, 0.3])
    assert (callback.best, callback.wait, callback.stop_reason) == (0.2, 2, None)
    assert script.fit(callback, [0.7, 0.7, 0.7]) == 2 * STEPS
    assert (callback.best, callback.best_step, callback.stop_reason) == (0.2, STEPS, "patience")


@pytest.mark.parametrize(("restore", "step"), [(True, 15), (False, 25)])
def test_a_fit_after_a_stop_has_patience_again(script: Script, restore: bool, step: int) -> None:
    callback = keep_best(patience=2, restore_best_weights=restore)
    script.fit(callback, [1, 2, 2])
    assert callback.stop_reason == "patience"
    assert script.fit(callback, [3, 3, 3, 3]) == 2 * STEPS
    assert (callback.best, callback.best_step, callback.position.step) == (1, STEPS, step)


def test_patience_in_steps_ends_at_that_very_step(script: Script) -> None:
    """The loop of Hvass' tutorial: more than P steps since the best, tested at every step."""
    callback = keep_best(stopper="patience(steps=12)")
    assert script.fit(callback, [2, 1, 3, 3, 3, 3]) == 10 + 12 + 1
    assert (callback.decision.at_step, callback.best_step) == (23, 10)


def test_max_steps_on_a_validation_measures_it_first(script: Script) -> None:
    callback = keep_best(stopper="max_steps(steps=10)")
    assert script.fit(callback, [2, 1, 3]) == 10
    assert (callback.best, callback.stop_reason) == (1, "max_steps")


def test_max_seconds_by_a_clock_that_is_given(script: Script) -> None:
    now = iter(range(0, 10_000))
    callback = keep_best(stopper="max_seconds(seconds=20)", clock=lambda: float(next(now)))
    script.fit(callback, [3] * 99)
    assert callback.stop_reason == "max_seconds"


# Metrics


def test_a_metric_that_never_arrives_ends_the_fit_as_an_error(script: Script, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(MetricMissing, match="'val_los' is not among the metrics there are: loss, val_loss") as caught:
        script.fit(keep_best(monitor="val_los"), [1, 1, 1])
    assert script.iteration.numpy() == 3 * STEPS
    assert "Did you mean monitor='val_loss'?" in str(caught.value.hint)
    assert ["not judged" in record.message for record in caplog.records] == [True]


def test_without_validation_the_run_says_so(script: Script) -> None:
    with pytest.raises(MetricMissing) as caught:
        script.fit(keep_best(), [None, None])
    assert "validation_data" in str(caught.value.hint)


def test_epochs_without_validation_are_no_validations(script: Script) -> None:
    callback = keep_best(patience=2)
    assert script.fit(callback, [None, 1, None, 2, None, 2, None]) == 6 * STEPS


def test_a_metric_logged_by_another_callback_is_judged(script: Script) -> None:
    """As Keras' EarlyStopping does: `val_f1` comes without any validation of Keras' own."""
    callback = keep_best(monitor="val_f1", mode="max", patience=2, restore_best_weights=True)
    validations = [{"val_f1": value} for value in (0.2, np.float32(0.75), np.array([0.5]), 0.4, 0.3)]
    assert script.fit(callback, validations, validates=False) == 4 * STEPS
    assert (callback.best, callback.best_step, script.iteration.numpy()) == (0.75, 2 * STEPS, 2 * STEPS)


def test_a_part_of_a_vector_is_monitored_all_parts_are_curves(script: Script) -> None:
    run, uploader, _ = heard_run(mode=None)
    callback = keep_best(run=run, monitor="val_f1[1]", mode="max")
    script.fit(callback, [{"val_f1": [0.25, 0.5]}, {"val_f1": np.array([0.5, 0.25])}])
    assert (callback.best, callback.best_step) == (0.5, STEPS)
    measured = uploader.of(ReportedValidation)[0].metrics
    assert measured == {"loss": 1.0, "val_f1[0]": 0.25, "val_f1[1]": 0.5, "val_f1[mean]": 0.375}


def test_a_vector_cannot_be_monitored_as_a_whole(script: Script) -> None:
    with pytest.raises(InvalidInput, match=r"'val_f1' is not one number, but of shape \(2,\)") as caught:
        script.fit(keep_best(monitor="val_f1"), [{"val_f1": [0.25, 0.5]}])
    assert "val_f1[0] to val_f1[1]" in str(caught.value.hint)


def test_a_metric_missing_later_changes_nothing(script: Script) -> None:
    """Keras' ModelCheckpoint overwrites the best file when the metric is absent."""
    callback = keep_best(patience=2)
    script.fit(callback, [1, {"val_other": 1.0}, {"val_other": 1.0}, 2])
    assert (callback.best, callback.wait, callback.stop_reason) == (1, 1, None)


def test_the_direction_is_never_guessed_from_a_name(script: Script) -> None:
    callback = keep_best(mode="auto")
    script.fit(callback, [2, 1])
    assert callback.best == 1  # a loss
    with pytest.raises(InvalidInput, match="'val_f1' gets better") as caught:
        script.fit(keep_best(mode="auto", monitor="val_f1"), [{"val_f1": 0.5}])
    assert "mode='max'" in str(caught.value.hint)
    with pytest.raises(InvalidInput, match="mode is one of"):
        keep_best(mode="maximum")


# The disk


def test_the_best_is_on_disk_when_fit_returns(script: Script, tmp_path: Path) -> None:
    callback = keep_best(tmp_path, patience=9)
    script.fit(callback, [3, 1, 2])
    manifest = choose(Store(tmp_path), callback.run.id)
    assert (manifest.step, manifest.value, manifest.mode) == (2 * STEPS, 1.0, "min")
    loaded = Store(tmp_path).load(callback.run.id, manifest.id)
    assert float(loaded.arrays[loaded.specs.index(next(s for s in loaded.specs if "iteration" in s.path))]) == 2 * STEPS


def test_a_restart_keeps_the_best(script: Script, tmp_path: Path) -> None:
    """keras#17012: a restarted ModelCheckpoint(save_best_only) overwrites 0.90 by 0.45 at its first epoch."""
    first = keep_best(tmp_path, patience=3, mode="max")
    script.fit(first, [0.5, 0.9, 0.6])
    again, other = keep_best(tmp_path, patience=3, mode="max", run=first.run.id, resume=True), Script()
    steps = other.fit(again, [0.45, 0.45, 0.45, 0.45])
    assert steps == 3 * STEPS  # it went on from the best, at step 10, with the wait that was then
    assert (again.best, again.best_step, again.position.step) == (0.9, 10, 25)
    assert choose(Store(tmp_path), first.run.id).value == 0.9


def test_a_restart_that_knows_nothing_leaves_the_best(script: Script, tmp_path: Path) -> None:
    """The same run begun anew, without `resume`: its own first validation is the best that it knows of."""
    first = keep_best(tmp_path, mode="max")
    script.fit(first, [0.5, 0.9, 0.6])
    again = keep_best(tmp_path, mode="max", run=first.run.id)
    Script().fit(again, [0.45])
    assert again.best == 0.45
    assert choose(Store(tmp_path), first.run.id).value == 0.9


def test_a_second_process_on_the_run_leaves_the_best(script: Script, tmp_path: Path) -> None:
    """Both go on from 0.5; what the stale one finds is worse than what the other one found meanwhile."""
    first = keep_best(tmp_path, patience=9, mode="max")
    script.fit(first, [0.5])
    stale, other = (keep_best(tmp_path, patience=9, mode="max", run=first.run.id, resume=True) for _ in range(2))
    scripts = Script(), Script()
    scripts[0].fit(stale, [0.4])
    scripts[1].fit(other, [0.9, 0.6])
    scripts[0].fit(stale, [0.7, 0.8, 0.6])
    assert (stale.best, choose(Store(tmp_path), first.run.id).value) == (0.8, 0.9)


def test_a_full_disk_ends_no_training(script: Script, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    run, uploader, _ = heard_run()
    callback = keep_best(tmp_path, run=run, restore_best_weights=True)
    assert script.fit(callback, [3, 1, 2]) == 3 * STEPS
    assert script.iteration.numpy() == 2 * STEPS  # the best was in memory all the same
    reasons = [dropped.reason for dropped in uploader.of(CheckpointDropped)]
    assert "No space left" in reasons[-1]
    # On a busy machine the first best waits so long that the second takes its place: skipped, not refused by the disk.
    assert all("No space left" in reason or "A newer one came" in reason for reason in reasons)
    assert Store(tmp_path).manifests(run.id) == []


def test_nothing_is_kept_that_is_not_better_than_a_threshold(script: Script, tmp_path: Path) -> None:
    callback = keep_best(tmp_path, initial_value_threshold=1.5, patience=9, restore_best_weights=True)
    script.fit(callback, [3, 2, 1.5])
    assert (callback.best, callback.best_step) == (None, None)
    assert Store(tmp_path).manifests(callback.run.id) == []
    assert script.iteration.numpy() == 3 * STEPS  # there is nothing to restore
    script.fit(callback, [1.25, 1.375])
    assert (callback.best, choose(Store(tmp_path), callback.run.id).value) == (1.25, 1.25)


def test_a_threshold_takes_nothing_from_a_run_that_goes_on(script: Script, tmp_path: Path) -> None:
    first = keep_best(tmp_path)
    script.fit(first, [3])
    again = keep_best(tmp_path, run=first.run.id, resume=True, initial_value_threshold=1)
    Script().fit(again, [4])
    assert (again.best, again.best_step) == (3, STEPS)


@pytest.mark.parametrize(
    ("save_freq", "written"),
    [(None, [5]), ("epoch", [5, 10, 15]), (3, [3, 5, 8, 11, 14]), (5, [5, 10, 15]), (40, [5])],
)
def test_the_present_state_is_written_as_often_as_was_asked(
    script: Script, tmp_path: Path, save_freq: Any, written: list[int]
) -> None:
    callback = keep_best(tmp_path, save_freq=save_freq, patience=9, retention=RetentionSpec(last=99))
    script.fit(callback, [1, 2, None], send=lambda step: callback.keeper.drain(20))  # none overtakes another
    kinds = {kept.step: kept.kind for kept in Store(tmp_path).manifests(callback.run.id)}
    assert sorted(kinds) == written
    assert {kinds[step] for step in written} <= {"best", "last"}


@pytest.mark.parametrize("save_freq", ["batch", 0, True, 2.5])
def test_another_frequency_is_an_error(save_freq: Any) -> None:
    with pytest.raises(InvalidInput, match="save_freq is 'epoch' or a number"):
        keep_best(save_freq=save_freq)


# What is reported


def test_every_validation_is_in_the_ledger(script: Script, tmp_path: Path) -> None:
    run, uploader, _ = heard_run(checks=2)
    script.fit(keep_best(tmp_path, run=run, n=500), [3, 1, NAN, 2])
    validations = uploader.of(ReportedValidation)
    assert [
        (validation.step, validation.decision.improved, validation.decision.wait, validation.decision.stop)
        for validation in validations
    ] == [
        (5, True, 0, False),
        (10, True, 0, False),
        (15, False, 1, False),
        (20, False, 2, True),
    ]
    assert [validation.snapshot is not None for validation in validations] == [True, True, False, False]
    assert (validations[0].n, validations[0].epoch, validations[0].metrics["val_loss"]) == (500, 1.0, 3.0)
    durable = uploader.of(CheckpointDurable)
    assert durable[-1].id == validations[1].checkpoint
    assert durable[-1].digest == Store(tmp_path).read_manifest(run.id, durable[-1].id)[1]


# A real fit


@pytest.mark.parametrize(
    ("given", "said"), [(True, "mean gain"), (False, "unpaired: KeepBest was given no validation=(x, y)")]
)
def test_a_fit_with_given_arrays_is_compared_by_example(given: bool, said: str) -> None:
    import keras

    x = np.random.default_rng(0).normal(size=(40, 2)).astype(np.float32)
    keras.utils.set_random_seed(1)
    model = keras.Sequential([keras.layers.Input((2,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    part = (x, x[:, :1])
    run, uploader, _ = heard_run()
    callback = keep_best(run=run, stopper="paired_noise(3)", validation=part if given else None)
    model.fit(x, x[:, :1], 10, epochs=2, verbose=0, validation_data=part, callbacks=[callback])
    assert callback.decision is not None
    assert said in callback.decision.message
    records = [
        validation.examples.model_dump()
        for validation in uploader.of(ReportedValidation)
        if validation.examples is not None
    ]
    assert [type(from_record(record)) for record in records] == 2 * [Losses if given else Unpaired]


def test_fit_by_keras_itself(tmp_path: Path) -> None:
    import keras

    from keepbest import restore
    from tests.support.networks import seed_all

    seed_all()
    x = np.random.default_rng(0).random((120, 8), dtype=np.float32)
    y = (x.sum(axis=1) > 4).astype(int)
    layers = [keras.layers.Input((8,)), keras.layers.Dense(8, "relu"), keras.layers.Dropout(0.2), keras.layers.Dense(2)]
    model = keras.Sequential(layers)
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"])
    callback = keep_best(tmp_path, monitor="val_accuracy", mode="auto", patience=3, restore_best_weights=True)
    history = model.fit(x, y, 20, epochs=30, verbose=0, validation_data=(x, y), callbacks=[callback]).history
    assert callback.best == max(history["val_accuracy"])
    for restored in (model, restore(callback.run, store=tmp_path)):
        assert restored.evaluate(x, y, verbose=0, return_dict=True)["accuracy"] == callback.best
        assert int(restored.optimizer.iterations.numpy()) == callback.best_step


def test_steps_per_execution_counts_the_steps_that_were_made() -> None:
    """Keras tells of batch 11 when the last execution of 4 ends an epoch of 10."""
    import keras

    x = np.ones((40, 2), np.float32)
    model = keras.Sequential([keras.layers.Input((2,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse", steps_per_execution=4, jit_compile=False)
    callback = keep_best()
    model.fit(x, x[:, :1], 4, epochs=2, verbose=0, validation_data=(x, x[:, :1]), callbacks=[callback])
    assert callback.position.step == int(model.optimizer.iterations.numpy()) == 20


def test_steps_of_a_generator_whose_length_nobody_knows() -> None:
    """Keras tells of batch 11 when 10 batches come four at a time, and has no number to hold against it."""
    import keras

    def batches() -> Any:
        for _ in range(10):
            yield np.ones((4, 2), np.float32), np.ones((4, 1), np.float32)

    model = keras.Sequential([keras.layers.Input((2,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse", steps_per_execution=4, jit_compile=False)
    callback = keep_best(monitor="loss")
    with pytest.warns(UserWarning, match="ran out of data"):
        model.fit(batches(), epochs=1, verbose=0, shuffle=False, callbacks=[callback])
    assert callback.position.step == int(model.optimizer.iterations.numpy()) == 10
