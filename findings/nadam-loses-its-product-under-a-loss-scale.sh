#!/usr/bin/env bash
# Under a `LossScaleOptimizer` (what mixed_float16 makes of every optimizer) Nadam's product of momenta is in no list of
# variables and in no `.keras` file: a model that is saved, loaded and trained on takes other steps.
#
# Version:   keras 3.15.1 on tensorflow 2.21.0, Linux, CPU.
# Behaviour: `Nadam.build` makes `_u_product`, by which each step divides. Built by itself, the optimizer lists it among
#            its variables; built by the wrapper, neither of the two does. Saving writes what is listed. The loaded one
#            begins at 1 again, without a message.
# Output seen on 2026-11-30 (5 steps, saved, loaded, 1 step more; float32 throughout, so that nothing else differs):
#              alone: product 0.0315 saved, 0.0315 loaded; the same weights after the next step: True
#              under a loss scale: product 0.0315 saved, 1.0 loaded; the same weights after the next step: False
# Expected:  the same both times, as for every other optimizer.
# keepbest:  what an optimizer holds and does not list is kept with it.
#            tests/keepbest/snapshots/test_late.py holds that (test_what_an_optimizer_does_not_list_goes_with_it).
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

x = np.linspace(-1, 1, 32, dtype="float32").reshape(8, 4)
y = x[:, :1] * 2


def step(model):
    model.train_on_batch(x, y)


def product(model):
    optimizer = getattr(model.optimizer, "inner_optimizer", model.optimizer)
    return round(float(optimizer._u_product), 4)


def go_on(name, wrap):
    keras.utils.set_random_seed(1)
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
    model.compile(wrap(keras.optimizers.Nadam(0.05)), "mse")
    for _ in range(5):
        step(model)
    model.save("model.keras")
    loaded = keras.saving.load_model("model.keras")
    saved = product(model), product(loaded)
    step(model)
    step(loaded)
    same = all(np.array_equal(a, b) for a, b in zip(model.get_weights(), loaded.get_weights()))
    print(f"{name}: product {saved[0]} saved, {saved[1]} loaded; the same weights after the next step: {same}")
    return saved[0] == saved[1], same


alone = go_on("alone", lambda optimizer: optimizer)
scaled = go_on("under a loss scale", lambda optimizer: keras.optimizers.LossScaleOptimizer(optimizer, initial_scale=1.0))
if (alone, scaled) != ((True, True), (False, False)):
    sys.exit("this behaviour has changed")
PYTHON
