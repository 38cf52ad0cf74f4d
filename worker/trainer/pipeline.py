"""Begins a tf.data pipeline anew, with the same batches as at first, in this process or in another.

A pipeline's random numbers come from seeds in its graph, so the same graph gives the same batches. `shuffle` is the
exception: all iterators of one dataset share one generator of seeds, so a second iterator does not begin anew. A copy
of the graph with a generator of its own does.

An iterator can also be saved (`tf.train.Checkpoint(iterator=…)`). But Keras' `fit` hides its iterator and runs ahead of
the step, and the file would hold the whole shuffle buffer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

#: The most bytes of arrays in a graph that is copied: a copy takes seconds, and several times this memory.
MAX_HELD_BYTES = 256 * 2**20

_IGNORE_STATE = 1
#: Prefixes of operations that draw from seeds in the graph, anew for each iterator.
SEEDED = ("Random", "TruncatedNormal", "ParameterizedTruncatedNormal", "Multinomial", "SampleDistorted")
#: TensorFlow calls these stateful, but their results depend on their inputs alone. The functions that they call are
#: checked too.
_CONTROL = {"_Arg", "_Retval", "Assert", "Print", "PrintV2", "Placeholder", "If", "While", "Case"}
_CALLS = {"PartitionedCall", "StatefulPartitionedCall"}
#: A HashTable never changes once it is filled, and its content is in the graph. (A MutableHashTable changes.)
_TABLES = {"HashTableV2", "LookupTableImportV2", "LookupTableFindV2", "LookupTableSizeV2", "LookupTableExportV2"}
_HARMLESS = _CONTROL | _CALLS | _TABLES | {"DummySeedGenerator", "DummyMemoryCache"}
_PYTHON = {"PyFunc", "PyFuncStateless", "EagerPyFunc", "GeneratorDataset"}
#: Datasets whose elements do not come from files and arrays.
_OUTSIDE = ("DataService", "Sql", "Snapshot", "Save")


@dataclass(frozen=True)
class Pipeline:
    """`begin()` returns the pipeline from its first batch on. `doubt` says why the batches may differ from before."""

    begin: Callable[[], Any]
    #: Whether each pass gives the same batches as the first.
    repeats: bool
    doubt: str | None = None


def open_pipeline(dataset: Any, *, deterministic: bool) -> Pipeline:
    """Find out whether `dataset` can begin anew. `deterministic` says whether TensorFlow's operations are."""
    import tensorflow as tf

    if _held_bytes(dataset) > MAX_HELD_BYTES:
        size_mb = MAX_HELD_BYTES // 2**20
        return Pipeline(lambda: dataset, False, f"it holds more than {size_mb} MB of arrays; give them as arrays")
    try:
        graph = _get_graph(dataset)
    except tf.errors.OpError as error:
        return Pipeline(lambda: dataset, False, f"its graph cannot be written down ({error.message[:100]})")
    doubt = _find_doubt(dataset, graph) if deterministic else "TensorFlow's operations are not deterministic here"
    random = (*SEEDED, "DummySeedGenerator")
    if doubt is None and not any(node.op.startswith(random) or _is_seed_generator(node) for node in _nodes(graph)):
        return Pipeline(lambda: dataset, True)
    return Pipeline(lambda: _copy(dataset), False, doubt)


def _held_bytes(dataset: Any) -> int:
    """Return the size of the arrays in a pipeline."""
    held = sum(tensor.shape.num_elements() * tensor.dtype.size for tensor in getattr(dataset, "_tensors", ()))
    return int(held + sum(_held_bytes(source) for source in dataset._inputs()))


def _get_graph(dataset: Any) -> Any:
    import tensorflow as tf

    graph = tf.raw_ops.DatasetToGraphV2(
        input_dataset=tf.data.experimental.to_variant(dataset), external_state_policy=_IGNORE_STATE
    )
    return tf.compat.v1.GraphDef.FromString(graph.numpy())


def _copy(dataset: Any) -> Any:
    """Return a dataset of the same graph with its own generators of seeds."""
    import tensorflow as tf

    graph = _get_graph(dataset)
    for node in graph.node:
        if _is_seed_generator(node):
            node.op = "DummySeedGenerator"  # as `shuffle` itself has it at first: then the dataset makes a generator
            node.ClearField("attr")
    variant = tf.raw_ops.DatasetFromGraph(graph_def=graph.SerializeToString())
    return tf.data.experimental.from_variant(variant, dataset.element_spec)


def _nodes(graph: Any) -> Iterator[Any]:
    """Yield all operations, also those inside functions."""
    yield from graph.node
    for function in graph.library.function:
        yield from function.node_def


def _find_doubt(dataset: Any, graph: Any) -> str | None:
    """Return why the graph alone may not decide the batches, or None if it does."""
    if dataset.options().deterministic is False:
        return "it gives up the order of its elements (deterministic=False)"
    return next((doubt for node in _nodes(graph) if (doubt := _doubt_of(node)) is not None), None)


def _doubt_of(node: Any) -> str | None:
    if node.op in _PYTHON:
        return "it calls Python code (from_generator, py_function, numpy_function)"
    if node.attr["deterministic"].s == b"false" or node.attr["sloppy"].b:
        return "it gives up the order of its elements (deterministic=False)"
    if node.op == "VarHandleOp" or _is_foreign(node):
        return "it uses a variable (a layer with a seed, a tf.random.Generator)"
    if _keeps_state(node.op):
        return f"its operation {node.op} keeps a state that cannot be read"
    return None


def _keeps_state(operation: str) -> bool:
    from tensorflow.python.framework import op_def_registry

    if "Dataset" in operation:
        return operation.startswith(_OUTSIDE)
    known = op_def_registry.get(operation)  # None for the call of a function, whose operations are checked too
    return known is not None and known.is_stateful and operation not in _HARMLESS and not operation.startswith(SEEDED)


def _is_seed_generator(node: Any) -> bool:
    return "SeedGenerator" in (_handle_of(node) or "")


def _is_foreign(node: Any) -> bool:
    """Whether a node holds a resource that is not one of tf.data's own."""
    handle = _handle_of(node)
    return handle is not None and not any(name in handle for name in ("SeedGenerator", "MemoryCache", "LookupTable"))


def _handle_of(node: Any) -> str | None:
    """Return the name of the type of the resource that a node holds, or None."""
    import tensorflow as tf

    if node.op != "Const" or node.attr["dtype"].type != tf.resource.as_datatype_enum:
        return None
    return " ".join(handle.maybe_type_name for handle in node.attr["value"].tensor.resource_handle_val)
