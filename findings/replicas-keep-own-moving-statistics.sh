#!/usr/bin/env bash
# Under MirroredStrategy each replica keeps moving statistics of its own, and a file holds the first replica's alone.
#
# Version:   keras 3.15.1 on tensorflow 2.21.0, Linux, CPU in two logical devices.
# Behaviour: the variables of `BatchNormalization` are made without an aggregation. Each replica moves its mean and
#            variance by its own part of the batch; reading and saving give replica 0. `predict` and `evaluate` use
#            each replica's for its part: the value that was measured is not the value of the model that is saved.
#            With `synchronized=True` all is one.
# Output seen on 2026-11-30 (one batch of 0, 0 and 10, 10; the loss is the mean squared error):
#              synchronized=False: moving means [0.0, 10.0], saved mean 0.0, loss of the model 50, of the file 46888
#              synchronized=True: moving means [5.0, 5.0], saved mean 5.0, loss of the model 41, of the file 41
# Expected:  `synchronized=False` says that a batch's statistics are a replica's own. What is gathered for inference
#            is one variable of one model, which ought to be 5.0 everywhere, as an average over replicas.
# keepbest:  KeepBest warns once of such layers, keeps what a file would hold, and puts it back on all replicas.
#            tests/keepbest/test_keras_runs.py::test_all_replicas_go_back_and_it_is_said_where_they_differ holds that.
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

tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2
)
strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
x = np.array([[0.0], [0.0], [10.0], [10.0]], "float32")
seen = []
for synchronized in (False, True):
    with strategy.scope():
        layer = keras.layers.BatchNormalization(momentum=0.0, synchronized=synchronized)
        model = keras.Sequential([keras.Input((1,)), layer])
        model.compile(keras.optimizers.SGD(0.0), "mse")
    model.fit(x, x, batch_size=4, shuffle=False, verbose=0)
    means = [float(one[0]) for one in strategy.experimental_local_results(layer.moving_mean.value)]
    model.save("model.keras")
    loaded = keras.models.load_model("model.keras")
    saved = float(loaded.layers[0].moving_mean.numpy()[0])
    losses = [round(one.evaluate(x, x, batch_size=4, verbose=0)) for one in (model, loaded)]
    print(
        f"synchronized={synchronized}: moving means {means}, saved mean {saved}, "
        f"loss of the model {losses[0]}, of the file {losses[1]}"
    )
    seen.append((means, saved, losses[0] == losses[1]))
if seen != [([0.0, 10.0], 0.0, False), ([5.0, 5.0], 5.0, True)]:
    sys.exit("this behaviour has changed")
PYTHON
