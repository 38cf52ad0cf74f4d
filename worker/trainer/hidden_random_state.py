"""Finds random operations whose state no variable holds: the counters of TensorFlow's older random operations.

`tf.random.normal` inside a network draws from a counter within its kernel, which nothing can read or set. (Keras'
layers and `tf.random.Generator` draw from variables.) Keras keeps the traced step in a closure, where this module
searches it. It finds nothing in a step that runs eagerly, which has no trace.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from worker.trainer.pipeline import SEEDED


def find_random_operations(model: Any) -> list[str]:
    """Return the names of such operations in the steps that `model.fit` has traced so far, sorted."""
    return sorted({name for name in _operations(model) if name.startswith(SEEDED)})


def _operations(model: Any) -> Iterator[str]:
    for function in _traced(model.train_function):
        graph = function.graph.as_graph_def()
        yield from (node.op for node in graph.node)
        yield from (node.op for inner in graph.library.function for node in inner.node_def)


def _traced(step: Any) -> Iterator[Any]:
    held = [cell.cell_contents for cell in getattr(step, "__closure__", None) or ()]
    for function in (step, *held):
        yield from getattr(function, "_list_all_concrete_functions", list)()
