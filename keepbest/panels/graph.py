"""Draws the graph of a network, or of any traced function: operations in nested scopes, shapes on the edges."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from keepbest.contract.panels import GraphData, GraphEdge, GraphNode

MAX_OPERATIONS = 3000
#: Operations that only pass on their input; edges skip them.
_PASSING = frozenset({"ReadVariableOp", "Identity"})
_HIDDEN = _PASSING | {"NoOp", "Const"}


def draw_network(model: Any, inputs: Any, targets: Any = None) -> GraphData:
    """Return the graph of a Keras network from its inputs to its outputs, or with `targets` to its loss.

    `inputs` and `targets` are examples: only their types count, and their shapes without the size of the batch.
    """
    import tensorflow as tf

    specs = [_spec_of(inputs)] if targets is None else [_spec_of(inputs), _spec_of(targets)]

    def compute(x: Any, y: Any = None) -> Any:
        answer = model(x, training=False)
        if y is None:
            return answer
        with tf.name_scope("loss"):
            return model.compute_loss(x, y, answer)

    names = {id(variable.value.handle): str(variable.path) for variable in model.variables}
    return draw_function(compute, *specs, names=names)


def draw_function(function: Callable[..., Any], *specs: Any, names: Mapping[int, str] | None = None) -> GraphData:
    """Return the graph of a `tf.function`, or any function that can be traced, for tensors like `specs`.

    `names` are the names of variables by the ids of their handles.
    """
    import tensorflow as tf

    traced = function if hasattr(function, "get_concrete_function") else tf.function(function, autograph=False)
    graph = traced.get_concrete_function(*specs).graph
    paths = {inner.op.name: (names or {}).get(id(outer)) for outer, inner in graph.captures}
    operations = [operation for operation in graph.get_operations() if operation.type not in _HIDDEN][:MAX_OPERATIONS]
    shown = _plain_names({operation.name: paths.get(operation.name) or operation.name for operation in operations})
    variables = {shown[name] for name, path in paths.items() if path is not None and name in shown}
    nodes = [_node(operation, shown[operation.name], variables) for operation in operations]
    edges = [
        GraphEdge(source=shown[source], target=shown[operation.name], shape=_shape(tensor.shape))
        for operation in operations
        for tensor in operation.inputs
        if (source := _find_source(tensor)) in shown
    ]
    return GraphData(kind="graph", nodes=[*_scopes(nodes), *nodes], edges=edges)


def _find_source(tensor: Any) -> str:
    """Return the operation that computes a value, without those that only pass it on."""
    while tensor.op.type in _PASSING and len(tensor.op.inputs) == 1:
        tensor = tensor.op.inputs[0]
    return str(tensor.op.name)


def _plain_names(names: Mapping[str, str]) -> dict[str, str]:
    """Remove the numbers that TensorFlow appends to repeated scopes, unless two names would become the same."""
    plain = {name: re.sub(r"_\d+(?=/)", "", shown)[:200] for name, shown in names.items()}
    count = Counter(plain.values())
    return {name: plain[name] if count[plain[name]] == 1 else shown[:200] for name, shown in names.items()}


def _node(operation: Any, name: str, variables: set[str]) -> GraphNode:
    is_variable = name in variables
    shape = _shape(operation.outputs[0].shape) if operation.outputs and not is_variable else ""
    kind = "Variable" if is_variable else operation.type
    return GraphNode(id=name, label=name.rpartition("/")[2], type=kind, parent=_parent(name), shape=shape)


def _scopes(nodes: Iterable[GraphNode]) -> list[GraphNode]:
    """Return a node for each scope that holds nodes, the outermost first."""
    ids = {node.id for node in nodes}
    result: dict[str, GraphNode] = {}
    for node in nodes:
        scope = node.parent
        while scope is not None and scope not in result and scope not in ids:
            result[scope] = GraphNode(id=scope, label=scope.rpartition("/")[2], type="scope", parent=_parent(scope))
            scope = result[scope].parent
    return sorted(result.values(), key=lambda node: (node.id.count("/"), node.id))


def _parent(name: str) -> str | None:
    return name.rpartition("/")[0] or None


def _shape(shape: Any) -> str:
    if shape.rank is None:
        return "?"
    return "x".join("?" if size is None else str(size) for size in shape.as_list()) or "scalar"


def _spec_of(example: Any) -> Any:
    """Return the shapes and types of an example without the size of its batch."""
    import tensorflow as tf

    tensors = tf.nest.map_structure(tf.convert_to_tensor, example)
    return tf.nest.map_structure(lambda tensor: tf.TensorSpec([None, *tensor.shape[1:]], tensor.dtype), tensors)
