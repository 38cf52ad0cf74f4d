"""Early stopping in a TensorFlow 1 graph: the best state is kept in memory at each improvement, not on disk.

The trick: run all variables to get their values; to set them, run their initialisers and feed the values where the
initial values would go in. It is fast, and it adds no operation to the graph. Run it: python examples/tf1_session.py
"""

from __future__ import annotations

import logging
import os
import tempfile
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np
import tensorflow.compat.v1 as tf

import keepbest

PATIENCE = 8  # looks without improvement
LAYERS, UNITS = 3, 512


def build_graph() -> dict[str, Any]:
    """A network with far too many weights for twenty noisy points: it gets better, and then it overfits."""
    x = tf.placeholder(tf.float32, [None, 1], name="x")
    y = tf.placeholder(tf.float32, [None, 1], name="y")
    hidden, size = x, 1
    for number in range(LAYERS):
        with tf.variable_scope(f"layer{number}"):
            w = tf.get_variable("w", [size, UNITS], initializer=tf.glorot_uniform_initializer(seed=number))
            b = tf.get_variable("b", [UNITS], initializer=tf.zeros_initializer())
        hidden, size = tf.tanh(tf.matmul(hidden, w) + b), UNITS
    head = tf.get_variable("head", [size, 1], initializer=tf.glorot_uniform_initializer(seed=LAYERS))
    loss = tf.reduce_mean(tf.square(tf.matmul(hidden, head) - y), name="loss")
    step = tf.train.get_or_create_global_step()
    train = tf.train.AdamOptimizer(1e-3).minimize(loss, global_step=step)
    return {"x": x, "y": y, "loss": loss, "train": train, "init": tf.global_variables_initializer()}


def make_data(count: int, seed: int) -> tuple[Any, Any]:
    random = np.random.default_rng(seed)
    x = random.uniform(-3, 3, (count, 1))
    return x, np.sin(2 * x) + random.normal(0, 0.4, (count, 1))


def timed(times: list[float], function: Any, *arguments: Any) -> Any:
    began = time.perf_counter()
    result = function(*arguments)
    times.append(1000 * (time.perf_counter() - began))
    return result


def main() -> None:
    tf.disable_v2_behavior()
    nodes = build_graph()
    saver = tf.train.Saver()
    graph = tf.get_default_graph()
    graph.finalize()  # from here on TensorFlow refuses any new operation
    operations = len(graph.get_operations())
    (x, y), validation = make_data(20, seed=1), make_data(200, seed=2)
    keeping: list[float] = []
    saving: list[float] = []
    rolling: list[float] = []

    with tempfile.TemporaryDirectory() as folder, tf.Session() as sess:
        sess.run(nodes["init"])
        best = keepbest.Session(sess, mode="min", monitor="val_loss", store=Path(folder) / "store")

        def measure() -> float:
            return float(sess.run(nodes["loss"], {nodes["x"]: validation[0], nodes["y"]: validation[1]}))

        step, waited = 0, 0
        while waited < PATIENCE:
            for _ in range(10):
                sess.run(nodes["train"], {nodes["x"]: x, nodes["y"]: y})
            step += 10
            if timed(keeping, best.keep, step, measure()):
                waited = 0
                timed(saving, saver.save, sess, f"{folder}/saved")  # what the tutorials do instead
            else:
                keeping.pop()
                waited += 1

        last = measure()
        for _ in range(2):  # the first time TensorFlow prepares what it runs
            timed(rolling, best.roll_back)
        print(f"stopped at step {step}, validation loss {last!r}")
        print(f"rolled back to step {best.best_step}, kept {best.best_value!r}, now {measure()!r}")
        print(
            f"of {len(keeping)} improvements each took {np.median(keeping):.1f} ms to memory, "
            f"{np.median(saving):.1f} ms with tf.train.Saver; rolling back took {rolling[0]:.1f} ms, "
            f"the second time {rolling[1]:.1f} ms"
        )
        print(f"operations added to the graph: {len(graph.get_operations()) - operations}")
        manifest = best.checkpoint()

        with tf.Session() as fresh:  # nothing is initialised in it
            keepbest.Session(fresh, mode="min", run=best.run, store=best.store).restore()
            found = fresh.run(nodes["loss"], {nodes["x"]: validation[0], nodes["y"]: validation[1]})
            print(f"restored step {manifest.step} into another session: {float(found)!r}")


if __name__ == "__main__":
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    main()
