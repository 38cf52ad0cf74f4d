"""A process of the table: does one thing with many kinds, because TensorFlow's start takes most of the time."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path

import keras
import tensorflow as tf

from tests.support.kinds.cell import Cell, refused
from tests.support.kinds.every import KINDS, find
from tests.support.kinds.kind import Kind
from tests.support.kinds.place import Place


def run_all(name: str, act: Callable[[Kind, Place], dict[str, Cell]]) -> None:
    """Do it with the kinds that the command line names, or all; leave what came of each in its place."""
    root, *chosen = sys.argv[1:]
    # Small networks: what TensorFlow does to make large ones fast is most of the time here.
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
    for kind in map(find, chosen or KINDS):
        keras.backend.clear_session(free_memory=False)
        began, place = time.process_time(), Place(Path(root), kind)
        try:
            cells = act(kind, place)
        except Exception as error:
            cells = {"": refused(error)}
        place.tell(name, cells)
        said = "; ".join(f"{road}: {cell.word} {cell.why[:150]}" for road, cell in cells.items())
        print(f"{name} {kind.name} ({time.process_time() - began:.2f} s): {said}", flush=True)
