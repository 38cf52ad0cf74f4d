"""The variables of a network, and Keras' description of it, which every checkpoint holds."""

from __future__ import annotations

import json
import warnings
from contextlib import suppress
from typing import Any

from keepbest.errors import InvalidInput
from keepbest.model.variables import TrainedObject, value_of


def network_of(model: Any) -> list[Any]:
    """Return the variables of a network, without those of optimizers; none if it is not built, or no model."""
    trained = model if isinstance(model, TrainedObject) else TrainedObject(model)
    with suppress(InvalidInput):
        return [value_of(variable) for _, variable in trained.variables()]
    return []


def describe_network(model: Any) -> str | None:
    """Return Keras' JSON of the network, or None for a model that has none (a subclass without `get_config`).

    If a loss or metric is no JSON (a lambda), the description leaves out how the network was compiled.
    """
    model = model.kept if isinstance(model, TrainedObject) else model
    if getattr(model, "to_json", None) is None:
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Keras warns of lambdas; keepbest does so at a restore, when it matters
        return _describe(model) or _describe_uncompiled(model)


def _describe(model: Any) -> str | None:
    with suppress(Exception):  # a user's get_config may raise anything, and must not end the run
        return _with_precision(model, str(model.to_json()))
    return None


def _with_precision(model: Any, description: str) -> str:
    """Add the mixed precision of layers that leave it out of their own description, as Keras' `SpatialDropout1D` does.

    Without it the rebuilt network would compute in another precision.
    """
    mixed = {layer.name: layer for layer in model._flatten_layers() if layer.compute_dtype != layer.variable_dtype}
    if not mixed:
        return description
    described = json.loads(description, object_hook=lambda node: _add_precision(mixed, node))
    return json.dumps(described)


def _add_precision(mixed: dict[str, Any], node: dict[str, Any]) -> dict[str, Any]:
    config = node.get("config")
    if isinstance(config, dict) and (layer := mixed.get(str(config.get("name")))) is not None:
        is_layer = type(layer).__name__ == node.get("class_name") != "InputLayer"
        if is_layer and config.get("dtype") == layer.variable_dtype:
            config["dtype"] = layer.dtype_policy.name
    return node


def _describe_uncompiled(model: Any) -> str | None:
    compiled = getattr(model, "compiled", False)
    if not compiled:
        return None
    try:
        model.compiled = False  # then Keras describes the network without its compilation
        return _describe(model)
    finally:
        model.compiled = compiled


def build_as_described(model: Any, network: str) -> None:
    """Build a model that has no variables yet as Keras' JSON of the same network says."""
    described = json.loads(network).get("build_config")
    if described:
        model.build_from_config(described)
