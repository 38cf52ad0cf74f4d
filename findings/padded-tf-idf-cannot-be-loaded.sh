#!/usr/bin/env bash
# A `.keras` file of a padded tf-idf layer, which Keras has just written, cannot be read by Keras.
#
# Version:   keras 3.15.1 on tensorflow 2.21.0, Linux, CPU.
# Behaviour: `TextVectorization(output_mode="tf_idf", max_tokens=n, pad_to_max_tokens=True)` that found fewer than n
#            words keeps weights padded to n and saves them beside its shorter vocabulary. `load_model` sets both
#            through a check that wants equal lengths, so it raises. Training, predicting and `save` say nothing before.
#            With as many words as max_tokens, or without padding, the file is read.
# Output seen on 2026-11-30 (5 words with the unknown one):
#              max_tokens=6, padded: saved; load_model: ValueError, 6 weights for 5 words
#              max_tokens=6, not padded: saved; load_model: the same predictions
#              max_tokens=5, padded: saved; load_model: the same predictions
# Expected:  what `save` writes without a word `load_model` reads. Padding is there for words that are not found yet.
# keepbest:  such a layer comes back from a checkpoint into the user's model with the same predictions.
#            tests/keepbest/snapshots/test_non_variables.py holds that ("text, tf-idf, padded", of
#            test_learned_state_comes_back_only_to_the_same_layers).
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-compile \
  keras==3.15.1 tensorflow==2.21.0 numpy==2.4.6
cd "$folder"
KERAS_BACKEND=tensorflow CUDA_VISIBLE_DEVICES='' TF_CPP_MIN_LOG_LEVEL=3 "$folder/venv/bin/python" - <<'PYTHON'
import re
import sys

import keras
import numpy as np
import tensorflow as tf

texts = np.array(["red green blue", "red blue", "blue sky"])


def outcome(max_tokens, padded):
    layer = keras.layers.TextVectorization(output_mode="tf_idf", max_tokens=max_tokens, pad_to_max_tokens=padded)
    layer.adapt(texts)
    model = keras.Sequential([keras.Input((), dtype="string"), layer])
    wanted = model.predict(tf.constant(texts), verbose=0)
    model.save("model.keras")
    try:
        found = keras.models.load_model("model.keras").predict(tf.constant(texts), verbose=0)
    except ValueError as error:
        lengths = re.search(r"len\(idf_weights\) is (\d+); len\(vocabulary\) is (\d+)", str(error))
        return "ValueError, {} weights for {} words".format(*lengths.groups()) if lengths else f"{error}"
    return "the same predictions" if np.array_equal(found, wanted) else "other predictions"


expected = {
    (6, True): "ValueError, 6 weights for 5 words",
    (6, False): "the same predictions",
    (5, True): "the same predictions",
}
seen = {}
for max_tokens, padded in expected:
    seen[max_tokens, padded] = found = outcome(max_tokens, padded)
    print(f"max_tokens={max_tokens}, {'padded' if padded else 'not padded'}: saved; load_model: {found}")
if seen != expected:
    sys.exit("this behaviour has changed")
PYTHON
