#!/usr/bin/env bash
# A `SpatialDropout1D` (2D, 3D) of a model in mixed precision comes back from a `.keras` file in float32.
#
# Version:   keras 3.15.1 on tensorflow 2.21.0, Linux, CPU.
# Behaviour: the layer's `get_config` says the type of its variables, of which it has none, where other layers say their
#            policy. The loaded model computes the layer, and what comes after it without a policy of its own, in
#            float32: other numbers and more memory, without a message. `clone_model` and `from_config` do the same.
# Output seen on 2026-11-30:
#              Dropout: mixed_bfloat16 saved, mixed_bfloat16 loaded, gives bfloat16
#              SpatialDropout1D: mixed_bfloat16 saved, float32 loaded, gives float32
# Expected:  the policy that was saved, as for `Dropout`.
# keepbest:  a checkpoint's description says the policy that the layer had.
#            tests/keepbest/training/test_network.py holds that (test_a_layer_that_leaves_its_precision_out_keeps_it).
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

found = []
for kind in (keras.layers.Dropout, keras.layers.SpatialDropout1D):
    model = keras.Sequential([keras.Input((3, 2)), kind(0.5, dtype="mixed_bfloat16")])
    model.save("model.keras")
    loaded = keras.saving.load_model("model.keras")
    policies = [one.layers[0].dtype_policy.name for one in (model, loaded)]
    given = keras.backend.standardize_dtype(loaded(np.ones((1, 3, 2), "float32")).dtype)
    print(f"{kind.__name__}: {policies[0]} saved, {policies[1]} loaded, gives {given}")
    found.append((policies[1], given))
if found != [("mixed_bfloat16", "bfloat16"), ("float32", "float32")]:
    sys.exit("this behaviour has changed")
PYTHON
