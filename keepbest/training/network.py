"""A network: its variables, and Keras' own description of it, which every checkpoint holds."""

from __future__ import annotations

import json
import warnings
from contextlib import suppress
from typing import Any

from keepbest.errors import InvalidInput
from keepbest.model.variables import TrainedObject, value_of


def network_of(model: Any) -> list[Any]:
    """Return the variables of a network, without those of optimizers; none where it is not built, or no model."""
    trained = model if isinstance(model, TrainedObject) else TrainedObject(model)
    with suppress(InvalidInput):
        return [value_of(variable) for _, variable in trained.variables()]
    return []


def describe_network(model: Any) -> str | None:
    """Return Keras' JSON of the network, or None for a model that has none (a subclass without `get_config`).

    A loss or a metric that is no JSON (a lambda) is left out, and so is how it was compiled.
    """
    model = model.kept if isinstance(model, TrainedObject) else model
    if getattr(model, "to_json", None) is None:
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of lambdas, which is said when it matters: at a restore
        return _describe(model) or _describe_uncompiled(model)


def _describe(model: Any) -> str | None:
    with suppress(Exception):  # whatever a user's get_config raises, the values are what counts
        return _with_precision(model, str(model.to_json()))
    return None


def _with_precision(model: Any, description: str) -> str:
    """Say the mixed precision of layers that leave it out of their own description, as Keras' `SpatialDropout1D` does.

    It would be another training: half of the numbers are computed in another precision.
    """
    mixed = {layer.name: layer for layer in model._flatten_layers() if layer.compute_dtype != layer.variable_dtype}
    if not mixed:
        return description
    described = json.loads(description, object_hook=lambda result: _say_precision(mixed, result))
    return json.dumps(described)


def _say_precision(mixed: dict[str, Any], result: dict[str, Any]) -> dict[str, Any]:
    config = result.get("config")
    if isinstance(config, dict) and (layer := mixed.get(str(config.get("name")))) is not None:
        is_it = type(layer).__name__ == result.get("class_name") != "InputLayer"
        if is_it and config.get("dtype") == layer.variable_dtype:
            config["dtype"] = layer.dtype_policy.name
    return result


def _describe_uncompiled(model: Any) -> str | None:
    compiled = getattr(model, "compiled", False)
    if not compiled:
        return None
    try:
        model.compiled = False  # Keras asks for no more then
        return _describe(model)
    finally:
        model.compiled = compiled


def build_as_described(model: Any, network: str) -> None:
    """Give a model that has no variables yet those that Keras' JSON of the same network had when it was written."""
    described = json.loads(network).get("build_config")
    if described:
        model.build_from_config(described)
