"""Which run a fit belongs to: one callback may train several models, be copied, or go on with a model compiled anew."""

from __future__ import annotations

import copy
import gc
import pickle
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from keepbest.checkpoint import Store, choose
from tests.support.callbacks import STEPS, Script, heard_run, keep_best
from tests.support.processes import ROOT, Processes


def weight_of(script: Script) -> float:
    return float(script.weight.numpy()[0, 0])


def test_each_fold_has_a_run_of_its_own(tmp_path: Path) -> None:
    """One list of callbacks for all folds: the second is worse in every look than the first."""
    callback, scripts, runs = keep_best(tmp_path, patience=3, mode="max", restore_best_weights=True), [], []
    for looks in ([0.5, 0.9, 0.4], [0.3, 0.2, 0.1]):
        scripts.append(Script())
        began = weight_of(scripts[-1])
        scripts[-1].fit(callback, looks)
        runs.append(callback.run.id)
        kept = choose(Store(tmp_path), callback.run.id)
        assert (callback.best, callback.best_epoch) == (max(looks), looks.index(max(looks)) + 1)
        assert weight_of(scripts[-1]) - began == pytest.approx(callback.best_step)
        assert (kept.value, kept.step) == (callback.best, callback.best_step)
    assert len(set(runs)) == 2
    assert choose(Store(tmp_path), runs[0]).value == 0.9


def test_a_model_at_the_address_of_one_that_is_gone_is_another_one() -> None:
    callback, addresses = keep_best(patience=9, restore_best_weights=True), set()
    for value in (0.1, 0.2, 0.3):
        script = Script()
        addresses.add(id(script.model))
        script.fit(callback, [value])
        assert callback.best == value
        del script
        gc.collect()


def test_the_second_model_of_a_run_that_is_heard_of_says_so(caplog: pytest.LogCaptureFixture) -> None:
    run, reporter, _ = heard_run(mode="min", checks=1)
    callback = keep_best(run=run, monitor="val_loss")
    Script().fit(callback, [0.1])
    said = len(reporter.items)
    assert Script().fit(callback, [0.3, 0.3, 0.3]) == 2 * STEPS  # by the stopper that the run has
    assert callback.run is not run
    assert len(reporter.items) == said
    assert [run.id in record.message for record in caplog.records] == [True]


def test_what_was_carried_begins_with_the_second_model_anew() -> None:
    import keras

    reducer = keras.callbacks.ReduceLROnPlateau("val_loss", patience=2, factor=0.1, min_lr=0)
    callback = keep_best(patience=9, carry=[reducer])
    first, second = Script(), Script()
    first.fit(callback, [1, 2])
    assert reducer.wait == 1
    second.fit(callback, [3, 4])
    assert float(second.rate.numpy()) == float(first.rate.numpy())  # not reduced: it waits for one look only


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
