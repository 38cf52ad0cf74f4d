#!/usr/bin/env bash
# An adapted `Normalization` whose weights are set goes on computing with the mean and variance from before.
#
# Version:   keras 3.15.1 on tensorflow 2.21.0, Linux, CPU.
# Behaviour: `adapt` copies the variables into plain arrays, and the layer computes with those. `set_weights` and
#            `tf.train.Checkpoint.restore` write the variables only. The layer then shows one mean and uses another,
#            in functions that are traced later, too. `load_weights` renews the arrays, but a model that has predicted
#            before keeps its traced function and with it the old ones.
# Output seen on 2026-11-30 (the weights say mean 200, variance 10000; asked about 200):
#              its own model: 0
#              set_weights: 199, and get_weights says mean 200
#              tf.train.Checkpoint: 199
#              load_weights: 0
#              load_weights after a predict: 199
# Expected:  0 each time: (200 - 200) / 100. For BatchNormalization it is so.
# keepbest:  going back to the best renews the arrays, and drops functions that were traced with others.
#            tests/keepbest/snapshots/test_non_variables.py holds that
#            (test_a_model_that_learned_anew_goes_back_with_its_functions).
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
import tensorflow as tf

x = np.array([[200.0]], "float32")


def build(low, high):
    layer = keras.layers.Normalization()
    layer.adapt(np.array([[low], [high]], "float32"))
    return keras.Sequential([keras.Input((1,)), layer])


def ask(model):
    return round(float(model.predict(x, verbose=0)[0, 0]))


source = build(100.0, 300.0)
source.save_weights("source.weights.h5")
written = tf.train.Checkpoint(model=source).save("checkpoint")
own = ask(source)
model = build(0.0, 2.0)
model.set_weights(source.get_weights())
by_set, shown = ask(model), round(float(np.ravel(model.get_weights()[0])[0]))
model = build(0.0, 2.0)
tf.train.Checkpoint(model=model).restore(written)
by_checkpoint = ask(model)
model = build(0.0, 2.0)
model.load_weights("source.weights.h5")
by_file = ask(model)
model = build(0.0, 2.0)
ask(model)
model.load_weights("source.weights.h5")
by_file_late = ask(model)
print(f"its own model: {own}")
print(f"set_weights: {by_set}, and get_weights says mean {shown}")
print(f"tf.train.Checkpoint: {by_checkpoint}")
print(f"load_weights: {by_file}")
print(f"load_weights after a predict: {by_file_late}")
if (own, by_set, shown, by_checkpoint, by_file, by_file_late) != (0, 199, 200, 199, 0, 199):
    sys.exit("this behaviour has changed")
PYTHON
