"""The inputs of a network: structure, sizes and types of one batch, without values.

Keras knows the inputs of a functional network. Of a network written as a class it knows shapes at most, no types, and a
network that Keras makes from its description has not been called. keepbest needs the inputs to make its variables, and
to write a SavedModel.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from math import prod
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from keepbest.contract.base import Shape

MAX_PARTS = 1000
#: The most elements of one example; no description that keepbest writes has more.
MAX_ELEMENTS = 2**28
Side = Annotated[int, Field(ge=0, lt=2**31)]


class Inputs(Shape):
    """One tensor, whose first axis counts examples, or a dict, list or tuple of tensors; sides that vary are None."""

    kind: Literal["tensor", "dict", "list", "tuple"] = "tensor"
    shape: tuple[Side | None, ...] = Field(default=(), max_length=32)
    dtype: str = Field(default="", max_length=32)
    keys: tuple[str, ...] = Field(default=(), max_length=MAX_PARTS)
    parts: tuple[Inputs, ...] = Field(default=(), max_length=MAX_PARTS)

    @model_validator(mode="after")
    def _check(self) -> Inputs:
        if self.kind == "dict" and len(self.keys) != len(self.parts):
            raise ValueError("a dict has as many keys as parts")
        if sum(prod(side or 1 for side in leaf.shape) for leaf in self.leaves) > MAX_ELEMENTS:
            raise ValueError("the inputs are too large")
        return self

    @property
    def leaves(self) -> list[Inputs]:
        """The tensors, in the order of `fill`."""
        return [self] if self.kind == "tensor" else [leaf for part in self.parts for leaf in part.leaves]

    def fill(self, make: Callable[[Inputs], Any]) -> Any:
        """Return the structure with the result of `make` for each tensor."""
        if self.kind == "tensor":
            return make(self)
        made = [part.fill(make) for part in self.parts]
        if self.kind == "dict":
            return dict(zip(self.keys, made, strict=True))
        return made if self.kind == "list" else tuple(made)

    def flatten(self, values: Any) -> list[Any]:
        """Return the tensors of a batch of this structure, in the order of `fill`."""
        if self.kind == "tensor":
            return [values]
        chosen = [values[key] for key in (self.keys if self.kind == "dict" else range(len(self.parts)))]
        return [leaf for part, value in zip(self.parts, chosen, strict=True) for leaf in part.flatten(value)]


def describe_batch(batch: Any) -> Inputs | None:
    """Return the form of a batch of arrays or tensors; None if the batch holds anything else."""
    return _describe(batch, _describe_array)


def describe_shapes(shapes: Any, dtype: str) -> Inputs | None:
    """Return the form of Keras' record of shapes, with one type for all tensors."""

    def describe_shape(shape: Any) -> Inputs | None:
        if not isinstance(shape, Sequence) or not shape:
            return None
        is_shape = all(side is None or isinstance(side, int) for side in shape)  # otherwise it is a structure
        return Inputs(shape=(None, *shape[1:]), dtype=dtype) if is_shape else None

    return _describe(shapes, describe_shape)


def of_model(model: Any) -> Inputs | None:
    """Return the inputs of a built network of a user's class, as far as Keras knows them; None for all others."""
    keras = sys.modules.get("keras")
    if keras is None or not isinstance(model, keras.Model) or is_functional(model):
        return None
    config = model.get_build_config() if model.built else None
    shapes = (config or {}).get("input_shape") or next(iter((config or {}).get("shapes_dict", {}).values()), None)
    return describe_shapes(shapes, str(model.input_dtype)) if shapes else None


def is_functional(model: Any) -> bool:
    """Whether Keras knows the network as a graph of layers, and so knows its inputs."""
    import keras

    return isinstance(model, keras.Sequential) or hasattr(model, "_inputs_struct")


def to_zeros(inputs: Inputs) -> Any:
    """Return a batch of one example of zeros, or of empty texts."""
    import tensorflow as tf

    def make(leaf: Inputs) -> Any:
        shape = [side or 1 for side in leaf.shape]
        return tf.fill(shape, "") if leaf.dtype == "string" else tf.zeros(shape, leaf.dtype)

    return inputs.fill(make)


def to_signature(inputs: Inputs) -> Any:
    """Return the structure of `tf.TensorSpec`s for a SavedModel."""
    import tensorflow as tf

    return inputs.fill(lambda leaf: tf.TensorSpec(leaf.shape, leaf.dtype))


def _describe(thing: Any, leaf: Callable[[Any], Inputs | None]) -> Inputs | None:
    described = leaf(thing)
    if described is not None:
        return described
    if isinstance(thing, Mapping) and all(isinstance(key, str) for key in thing):
        keys, parts, kind = tuple(thing), list(thing.values()), "dict"
    elif isinstance(thing, list | tuple):
        keys, parts, kind = (), list(thing), "list" if isinstance(thing, list) else "tuple"
    else:
        return None
    made = [_describe(part, leaf) for part in parts]
    if not made or any(inputs is None for inputs in made):
        return None
    with suppress(ValueError):  # past the limits
        return Inputs.model_validate({"kind": kind, "keys": keys, "parts": made})
    return None


def _describe_array(array: Any) -> Inputs | None:
    shape, dtype = getattr(array, "shape", None), getattr(array, "dtype", None)
    if shape is None or dtype is None or not _is_dense(array) or len(shape) == 0:
        return None
    return Inputs(shape=(None, *shape[1:]), dtype=_name_of(dtype))


def _is_dense(array: Any) -> bool:
    """Whether `array` is no ragged or sparse tensor, nor the description of one: these have shapes and types too."""
    if hasattr(array, "flat_values") or hasattr(array, "dense_shape"):
        return False
    tf = sys.modules.get("tensorflow")
    return tf is None or not isinstance(array, tf.RaggedTensorSpec | tf.SparseTensorSpec)


def _name_of(dtype: Any) -> str:
    """Return the type that the network gets: Keras turns float64, Python's own float, into its default type."""
    name = str(getattr(dtype, "name", dtype))
    if name == "float64":
        keras = sys.modules.get("keras")
        return str(keras.config.floatx()) if keras is not None else "float32"
    return "string" if name.startswith(("str", "object", "bytes")) else name
