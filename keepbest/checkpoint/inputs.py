"""The inputs of a network: structure, sizes and types of one batch, without values.

Keras keeps that for a functional network. Of one written as a class it keeps shapes at most, no types, and what it
reads back from a description was never called: without this neither a SavedModel nor its variables could be made.
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
#: Elements of one example; a description that says more is not one of ours.
MAX_ELEMENTS = 2**28
Side = Annotated[int, Field(ge=0, lt=2**31)]


class Inputs(Shape):
    """One tensor, whose first axis counts examples, or a dict, list or tuple of such; sides that vary are None."""

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
        """Return the structure with what `make` gives for each tensor."""
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
    """Return the form of a batch of arrays or tensors; None where there is something else in it."""
    return _describe(batch, _describe_array)


def describe_shapes(shapes: Any, dtype: str) -> Inputs | None:
    """Return the form that Keras' record of shapes says, as of tensors that are all of one type."""

    def one(shape: Any) -> Inputs | None:
        return Inputs(shape=(None, *shape[1:]), dtype=dtype) if _is_shape(shape) else None

    return _describe(shapes, one)


def of_model(model: Any) -> Inputs | None:
    """Return what a built network of a user's class is called with, as far as Keras knows; None for all others."""
    keras = sys.modules.get("keras")
    if keras is None or not isinstance(model, keras.Model) or is_functional(model):
        return None
    config = model.get_build_config() if model.built else None
    shapes = (config or {}).get("input_shape") or next(iter((config or {}).get("shapes_dict", {}).values()), None)
    return describe_shapes(shapes, str(model.input_dtype)) if shapes else None


def is_functional(model: Any) -> bool:
    """Whether Keras knows the network as a graph of layers, and so what it is called with."""
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
    """Return the structure of `tf.TensorSpec`s that a SavedModel is made for."""
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
    """A ragged or sparse tensor has a shape and a type too, and parts instead of values; so has what describes one."""
    if hasattr(array, "flat_values") or hasattr(array, "dense_shape"):
        return False
    tf = sys.modules.get("tensorflow")
    return tf is None or not isinstance(array, tf.RaggedTensorSpec | tf.SparseTensorSpec)


def _name_of(dtype: Any) -> str:
    """Return the type as the network gets it: Keras hands it Python's own float as its own."""
    name = str(getattr(dtype, "name", dtype))
    if name == "float64":
        keras = sys.modules.get("keras")
        return str(keras.config.floatx()) if keras is not None else "float32"
    return "string" if name.startswith(("str", "object", "bytes")) else name


def _is_shape(shape: Any) -> bool:
    """Whether it is one tensor's: two or more sizes, or none of which is a structure again."""
    return isinstance(shape, Sequence) and bool(shape) and all(side is None or isinstance(side, int) for side in shape)
