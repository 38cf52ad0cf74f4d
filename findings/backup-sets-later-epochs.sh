#!/usr/bin/env bash
# After BackupAndRestore has resumed a fit, every later fit of that model begins at the resumed epoch as well.
#
# Version:   keras 3.15.1 on tensorflow 2.21.0, Linux, CPU.
# Behaviour: the callback tells the model which epoch is the first, and nothing takes that back when the fit is over.
#            A later fit of no more epochs trains not one step, raises nothing, and returns an empty history.
#            An initial_epoch of one's own is overruled.
# Output seen on 2026-11-30:
#              resumed fit(epochs=4): epochs [2, 3]
#              later fit(epochs=2): epochs [], history {}
#              later fit(epochs=2, initial_epoch=1): epochs []
#              later fit(epochs=3): epochs [2]
# Expected:  [0, 1], [1] and [0, 1, 2]. What was resumed is over, and no backup is in the later fits.
# keepbest:  `KeepBest(run=..., resume=True)` takes its first epoch back once Keras has read it, so a second phase (say,
#            fine-tuning) trains in full.
#            tests/keepbest/test_keras_runs.py::test_a_fit_that_goes_on_ends_where_it_was_to_end holds the right one.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-compile \
  keras==3.15.1 tensorflow==2.21.0 numpy==2.4.6
cd "$folder"
KERAS_BACKEND=tensorflow CUDA_VISIBLE_DEVICES='' TF_CPP_MIN_LOG_LEVEL=3 "$folder/venv/bin/python" - <<'PYTHON'
import sys

import keras
import numpy as np

x = np.ones((8, 2), "float32")


class Dies(keras.callbacks.Callback):
    def on_epoch_begin(self, epoch, logs=None):
        if epoch == 2:
            raise InterruptedError


def build():
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    return model


def fit(model, *callbacks, **options):
    return model.fit(x, x[:, :1], verbose=0, callbacks=list(callbacks), **options)


try:
    fit(build(), keras.callbacks.BackupAndRestore("backup"), Dies(), epochs=4)
except InterruptedError:
    pass
model = build()
resumed = fit(model, keras.callbacks.BackupAndRestore("backup"), epochs=4).epoch
short = fit(model, epochs=2)
told = fit(model, epochs=2, initial_epoch=1).epoch
longer = fit(model, epochs=3).epoch
print(f"resumed fit(epochs=4): epochs {resumed}")
print(f"later fit(epochs=2): epochs {short.epoch}, history {short.history}")
print(f"later fit(epochs=2, initial_epoch=1): epochs {told}")
print(f"later fit(epochs=3): epochs {longer}")
if (resumed, short.epoch, short.history, told, longer) != ([2, 3], [], {}, [], [2]):
    sys.exit("this behaviour has changed")
PYTHON
