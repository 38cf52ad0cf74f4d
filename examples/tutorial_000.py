"""Save in one process, restore in another without the code: the memo on `tf.train.Saver`, with a digest for each value.

The first process builds the memo's graph, runs it and saves it with TensorFlow 1's own saver. The second one has no
code of that graph: it reads the graph from the .meta file, takes the saved values over into keepbest's store
(as `keepbest import tf-checkpoint` does) and restores them from there.

Run it: python examples/tutorial_000.py
"""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import tempfile
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import tensorflow.compat.v1 as tf

import keepbest
from keepbest.tf1 import import_saver

NAME = "my_test_model"


def save(folder: Path) -> None:
    """The memo's first program."""
    w1, w2 = tf.placeholder("float", name="w1"), tf.placeholder("float", name="w2")
    bias = tf.Variable(2.0, name="bias")
    result = tf.multiply(tf.add(w1, w2), bias, name="op_to_restore")
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        print(f"saved: op_to_restore of 4 and 8 is {sess.run(result, {w1: 4, w2: 8})}")
        tf.train.Saver().save(sess, f"{folder}/{NAME}", global_step=1000)


def restore(folder: Path) -> None:
    """The memo's second program; nothing is initialised in its session."""
    newest = tf.train.latest_checkpoint(str(folder))
    tf.train.import_meta_graph(f"{newest}.meta")
    written = import_saver(newest, folder / "checkpoints")
    with tf.Session() as sess:
        kept = keepbest.Session(sess, mode="min", run=written.manifest.run, store=folder / "checkpoints")
        manifest = kept.restore(last=True)
        print(f"restored: bias is {sess.run('bias:0')} at step {manifest.step}")
        print(f"op_to_restore of 13 and 17 is {sess.run('op_to_restore:0', {'w1:0': 13.0, 'w2:0': 17.0})}")


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        save(Path(folder))
        sys.stdout.flush()
        subprocess.run([sys.executable, __file__, folder], check=True)


if __name__ == "__main__":
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    tf.disable_v2_behavior()
    if len(sys.argv) == 2:
        restore(Path(sys.argv[1]))
    else:
        main()
