"""The graph of a network and of any traced function: scopes within scopes, shapes on the edges, variables by name."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from keepbest.contract.panels import GraphData
from keepbest.panels.graph import draw_function, draw_network


@pytest.fixture(scope="module")
def graph() -> GraphData:
    import keras

    layers = [keras.layers.Input((8,)), keras.layers.Dense(3, "relu", name="hidden"), keras.layers.Dense(1, name="out")]
    model = keras.Sequential(layers, name="net")
    model.compile("sgd", "mse")
    return draw_network(model, np.zeros((2, 8), np.float32), np.zeros((2, 1), np.float32))


def test_scopes_hold_layers_and_layers_hold_operations(graph: GraphData) -> None:
    parents = {node.id: node.parent for node in graph.nodes}
    assert parents["net"] is None
    assert parents["net/hidden"] == "net"
    assert parents["net/hidden/MatMul"] == "net/hidden"
    assert parents["loss"] is None
    assert all(parent is None or parent in parents for parent in parents.values())


def test_edges_carry_shapes_and_join_known_nodes(graph: GraphData) -> None:
    ids = {node.id for node in graph.nodes}
    edges = {(edge.source, edge.target): edge.shape for edge in graph.edges}
    assert all(source in ids and target in ids for source, target in edges)
    assert edges["x", "net/hidden/MatMul"] == "?x8"
    assert edges["net/hidden/kernel", "net/hidden/MatMul"] == "8x3"


def test_variables_are_variables_and_nothing_only_passes_on(graph: GraphData) -> None:
    kinds = {node.id: node.type for node in graph.nodes}
    assert kinds["net/out/kernel"] == "Variable"
    assert not {"ReadVariableOp", "Identity", "Const"} & set(kinds.values())


def test_any_function_with_the_scopes_that_it_names() -> None:
    import tensorflow as tf

    weights = tf.Variable(tf.ones((2, 2)))

    @tf.function  # type: ignore[untyped-decorator]  # TensorFlow ships no types
    def layer(inputs: Any) -> Any:
        with tf.name_scope("layer"), tf.name_scope("Wx_plus_b"):
            return tf.matmul(inputs, weights) + 1.0

    drawn = draw_function(layer, tf.TensorSpec([None, 2], tf.float32), names={id(weights.handle): "layer/weights/W"})
    ids = {node.id for node in drawn.nodes}
    assert {"layer", "layer/weights", "layer/weights/W", "layer/Wx_plus_b", "layer/Wx_plus_b/MatMul", "inputs"} <= ids


def test_scopes_that_are_entered_twice_stay_two() -> None:
    import tensorflow as tf

    def twice(x: Any) -> Any:
        for _ in range(2):
            with tf.name_scope("again"):
                x = tf.sin(x)
        return x

    drawn = draw_function(twice, tf.TensorSpec([2], tf.float32))
    assert {"again/Sin", "again_1/Sin"} <= {node.id for node in drawn.nodes}
