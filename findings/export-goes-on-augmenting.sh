#!/usr/bin/env bash
# A model that augments its pictures goes on doing so in what `model.export` serves.
#
# Version:   keras 3.15.1 on tensorflow 2.21.0, Linux, CPU.
# Behaviour: the layers for random pictures take `training=True` when nobody says otherwise. `predict` says otherwise,
#            `export` does not: its endpoint moves, turns and brightens at random what it is asked about, and answers
#            one question twice in two ways. Dropout and noise, whose default is the other one, are still.
# Output seen on 2026-11-30 (is the answer predict's? / is it the same when asked again?):
#              RandomTranslation: False / False
#              RandomRotation: False / False
#              RandomZoom: False / False
#              RandomContrast: False / False
#              RandomBrightness: False / False
#              GaussianNoise: True / True
#              Dropout: True / True
# Expected:  an export for serving answers as `predict` does: these layers are said to act in training only.
# keepbest:  a SavedModel that `keepbest restore` writes answers as `predict`, and `--check` compares its answers.
#            tests/keepbest/checkpoint/test_rebuild.py::test_kinds[late] holds that.
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

LAYERS = {
    "RandomTranslation": (keras.layers.RandomTranslation(0.3, 0.3), False),
    "RandomRotation": (keras.layers.RandomRotation(0.3), False),
    "RandomZoom": (keras.layers.RandomZoom(0.3), False),
    "RandomContrast": (keras.layers.RandomContrast(0.5), False),
    "RandomBrightness": (keras.layers.RandomBrightness(0.5), False),
    "GaussianNoise": (keras.layers.GaussianNoise(0.5), True),
    "Dropout": (keras.layers.Dropout(0.5), True),
}
x = np.random.default_rng(0).random((8, 8, 8, 3)).astype("float32")
changed = []
for name, (layer, rests) in LAYERS.items():
    model = keras.Sequential([keras.Input((8, 8, 3)), layer])
    wanted = model.predict(x, verbose=0)
    model.export(name, verbose=False)
    served = tf.saved_model.load(name)
    one, other = (served.serve(x).numpy() for _ in range(2))
    seen = bool(np.allclose(one, wanted)), bool(np.array_equal(one, other))
    print(f"{name}: {seen[0]} / {seen[1]}")
    if seen != (rests, rests):
        changed.append(name)
if changed:
    sys.exit(f"this behaviour has changed: {', '.join(changed)}")
PYTHON
