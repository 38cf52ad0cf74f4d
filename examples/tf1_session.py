"""Early stopping in a TensorFlow 1 graph: the best state is kept in memory at each improvement, not on disk.

The trick: run all variables to get their values; to set them, run their initialisers and feed the values where the
initial values would go in. It is fast, and it adds no operation to the graph.

Run it: python examples/tf1_session.py. Without a tracker the run is kept in a folder, until `keepbest sync` hands it
in; with `keepbest up`, or KEEPBEST_URL and KEEPBEST_TOKEN, you watch it in the dashboard, and may take it back there.
"""

from __future__ import annotations

import logging
import os
import tempfile
import time
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np
import tensorflow.compat.v1 as tf

import keepbest

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

    run = keepbest.init(monitor="val_loss", mode="min", stopper="patience(checks=8)")
    with tempfile.TemporaryDirectory() as folder, tf.Session() as sess, run:
        sess.run(nodes["init"])
        best = keepbest.Session(sess, run=run)

        def measure(session: Any = sess) -> float:
            return float(session.run(nodes["loss"], {nodes["x"]: validation[0], nodes["y"]: validation[1]}))

        for step in best:  # after a roll back it goes on from the step that was gone back to
            sess.run(nodes["train"], {nodes["x"]: x, nodes["y"]: y})
            if step % 10 == 0:
                if timed(keeping, best.keep, step, measure()):
                    timed(saving, saver.save, sess, f"{folder}/saved")  # what the tutorials do instead
                else:
                    keeping.pop()

        print(f"stopped early: at step {best.step}, validation loss {measure()!r}")
        for _ in range(2):  # the first time TensorFlow prepares what it runs
            timed(rolling, best.roll_back)
        kept_value = best.best_value or 0.0
        print(f"went back to step {best.step}: validation loss {measure()!r}, difference {measure() - kept_value}")
        print(
            f"of {len(keeping)} improvements each took {np.median(keeping):.1f} ms to memory, "
            f"{np.median(saving):.1f} ms with tf.train.Saver; rolling back took {rolling[0]:.1f} ms, "
            f"the second time {rolling[1]:.1f} ms"
        )
        print(f"operations added to the graph: {len(graph.get_operations()) - operations}")
        checkpoint = best.checkpoint()

    with tf.Session() as fresh:  # nothing is initialised in it
        keepbest.Session(fresh, mode="min", run=run.id).restore()
        print(f"loaded {checkpoint.id} into another session: difference {measure(fresh) - kept_value}")


if __name__ == "__main__":
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    main()
