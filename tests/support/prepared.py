"""What the examples of each page of docs need: a model and its data, an existing run, a graph.

The model learns nothing, so that a fit ends as soon as its patience does.
"""

from __future__ import annotations

MODEL = """
import keras
import numpy as np
import keepbest
from keepbest import KeepBest

keras.utils.set_random_seed(1)
random = np.random.default_rng(1)
x = random.normal(size=(64, 2)).astype("float32")
y = (x[:, 0] > x[:, 1]).astype("int32")
validation = (x, y)
model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2, "softmax")])
model.compile(keras.optimizers.Adam(1e-9), "sparse_categorical_crossentropy", metrics=["accuracy"])
"""

LOOP = """
import keras
import tensorflow as tf
import keepbest

w, b = tf.Variable([1.0], name="w"), tf.Variable([0.0], name="b")
optimizer = keras.optimizers.SGD(0.1)
values = iter([0.5, 0.6, *[0.55] * 20])

def train_one_step():
    w.assign_add([0.1])
    return 0.5

def validate():
    return next(values)
"""

RUN = """
import keepbest
from keepbest.loop import Loop

with keepbest.init(id="7m4y22t8ja2b", monitor="val_accuracy", mode="max") as run:
    Loop(run, model).report_validation(4800, 0.9)
"""

SESSION = """
import keepbest
import tensorflow as tf

graph = tf.Graph().as_default()
graph.__enter__()
weight = tf.compat.v1.get_variable("weight", [2])
sess, other = tf.compat.v1.Session(), tf.compat.v1.Session()
sess.run(tf.compat.v1.global_variables_initializer())
step, validation_loss = 100, 0.5
"""

KEPT = """
kept = KeepBest("val_accuracy")
model.fit(x, y, validation_data=validation, epochs=2, verbose=0, callbacks=[kept])
loop = keepbest.Loop(keepbest.init(mode="max"), model)
loop.report_validation(1200, 0.5)
loop.step = 1300
"""

VALIDATED = """
run, step, accuracy = keepbest.init(mode="max", stopper="paired_noise()"), 100, 0.5
labels, predicted = y, model.predict(x, verbose=0).argmax(axis=1)
"""

#: page -> what is run before its first example; every page with an example in Python is here.
#: What of MLflow's client the examples use, of which no run is active.
MLFLOW = """
import sys, types, warnings
mlflow = sys.modules["mlflow"] = types.ModuleType("mlflow")
mlflow.set_tags, mlflow.active_run = dict, lambda: None
warnings.simplefilter("ignore", UserWarning)
"""

PREPARED = {
    "README.md": MODEL,
    "docs/quickstart.md": "",
    "docs/howto/keras.md": MODEL,
    "docs/howto/loop.md": LOOP,
    "docs/howto/recover.md": LOOP,
    "docs/howto/tf1.md": SESSION,
    # MLflow itself is no dependency: tests/e2e/test_mlflow_client.py runs it in an environment of its own.
    "docs/howto/mlflow.md": MODEL + MLFLOW,
    "docs/howto/notebook.md": "",
    "docs/howto/wandb.md": "import keepbest\n",
    "docs/howto/track.md": LOOP + 'keepbest.init(id="7m4y22t8ja2b").finish()\n',
    "docs/howto/submit.md": "",
    "docs/howto/find.md": "",
    "docs/howto/restore.md": MODEL + RUN,
    "docs/howto/go-back.md": MODEL + KEPT,
    "docs/howto/migrate.md": MODEL,
    "docs/reference/policies.md": MODEL + VALIDATED,
}
