#!/usr/bin/env bash
# `model.export` of a subclassed model takes whole numbers for float32: large ones are rounded, tensors are refused.
#
# Version:   keras 3.15.1 on tensorflow 2.21.0, Linux, CPU.
# Behaviour: of a subclassed model Keras remembers the shapes it was called with, not the types. So the endpoint is
#            made for float32, whatever `fit` and `predict` were given. An array of int64 is cast to it without
#            a word (above 2**24 not every whole number exists there), a tensor of int64 raises TypeError.
#            The same computation as a functional model keeps its types.
# Output seen on 2026-11-30:
#              subclassed: predict 16777217, endpoint asks for float32, answers 16777216; a tensor: TypeError
#              functional: predict 16777217, endpoint asks for int64, answers 16777217; a tensor: 16777217
# Expected:  the endpoint takes what the model was trained with. Identifiers (users, words, articles) are whole numbers,
#            and one more or less is another one.
# keepbest:  a SavedModel that `keepbest restore` writes has its endpoint made for the types that training saw.
#            tests/keepbest/checkpoint/test_rebuild.py::test_a_network_written_as_a_class holds that.
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


class Subclassed(keras.Model):
    def call(self, number):
        return keras.ops.cast(number, "int64")


def asked(question):
    try:
        return int(question()[0, 0])
    except TypeError as error:
        return type(error).__name__


entry = keras.Input((1,), dtype="int64")
functional = keras.Model(entry, keras.ops.cast(entry, "int64"))
x = np.array([[2**24 + 1]], "int64")
seen = []
for name, model in (("subclassed", Subclassed()), ("functional", functional)):
    predicted = int(model.predict(x, verbose=0)[0, 0])
    model.export(name, verbose=False)
    served = tf.saved_model.load(name)
    (spec,) = served.signatures["serve"].structured_input_signature[1].values()
    array, tensor = asked(lambda: served.serve(x)), asked(lambda: served.serve(tf.constant(x)))
    print(f"{name}: predict {predicted}, endpoint asks for {spec.dtype.name}, answers {array}; a tensor: {tensor}")
    seen.append((predicted, spec.dtype.name, array, tensor))
n = 2**24
if seen != [(n + 1, "float32", n, "TypeError"), (n + 1, "int64", n + 1, n + 1)]:
    sys.exit("this behaviour has changed")
PYTHON
