#!/usr/bin/env bash
# After `set_random_seed`, `fit(shuffle=True)` on arrays trains every epoch in one and the same order.
#
# Version:   keras 3.15.1 on tensorflow 2.21.0, Linux, CPU.
# Behaviour: the order is drawn inside a tf.data function that is begun anew for each epoch. With a global seed it
#            draws the same numbers each time: in all epochs of a fit, and in all later fits. Without a seed each epoch
#            has an order of its own. So seeding, meant to make a training repeatable, makes it a different one.
#            A `tf.data.Dataset` with `shuffle()` is shuffled anew in each epoch under the same seed.
# Output seen on 2026-11-30 (orders that differ, of three epochs and two more in a second fit):
#              arrays, no seed: 5 of 5
#              arrays, seed: 1 of 5
#              dataset, seed: 5 of 5
# Expected:  5 of 5, the same five in each process.
# keepbest:  `KeepBest` in a seeded `fit` leaves the order to Keras. Runs of a worker draw an order for each epoch from
#            seed and epoch, and can begin at any step.
#            tests/worker/trainer/test_batches.py::test_epochs_and_seeds_have_orders_of_their_own holds that.
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

x = np.arange(32, dtype="float32")[:, None]
seen = []


class Watched(keras.layers.Layer):
    def call(self, numbers, training=False):
        if training:
            tf.py_function(lambda batch: seen.append(tuple(batch.numpy().ravel())), [numbers], [])
        return numbers * 1.0


def orders(seed, as_dataset=False):
    """Return how many orders five epochs have: each epoch is one batch of all examples."""
    if seed is not None:
        keras.utils.set_random_seed(seed)
    seen.clear()
    model = keras.Sequential([keras.Input((1,)), Watched(), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    pairs = tf.data.Dataset.from_tensor_slices((x, x)).shuffle(32).batch(32)
    for epochs in (3, 2):
        if as_dataset:
            model.fit(pairs, epochs=epochs, verbose=0)
        else:
            model.fit(x, x, batch_size=32, epochs=epochs, shuffle=True, verbose=0)
    assert len(seen) == 5, len(seen)
    return len(set(seen))


found = orders(None), orders(1), orders(1, as_dataset=True)
for name, count in zip(("arrays, no seed", "arrays, seed", "dataset, seed"), found, strict=True):
    print(f"{name}: {count} of 5")
if found != (5, 1, 5):
    sys.exit("this behaviour has changed")
PYTHON
