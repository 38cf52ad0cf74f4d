"""The ways to put a network together: in a row, as a graph, as a class, out of others, with layers in containers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras

from tests.support.kinds.kind import Kind, compiled, head, sequential

layers = keras.layers


@keras.saving.register_keras_serializable("kinds")
class Subclassed(keras.Model):  # type: ignore[misc]  # Keras ships no types
    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.hidden, self.out = layers.Dense(6, "relu"), head()

    def call(self, x: Any) -> Any:
        return self.out(self.hidden(x))


class Unregistered(Subclassed):
    """Keras cannot find this class in another process."""


@keras.saving.register_keras_serializable("kinds")
class SubclassedFunctional(keras.Model):  # type: ignore[misc]  # Keras ships no types
    def __init__(self, units: int = 6, **options: Any) -> None:
        inputs = layers.Input((4,))
        super().__init__(inputs, head()(layers.Dense(units, "relu")(inputs)), **options)
        self.units = units

    def get_config(self) -> dict[str, Any]:
        return {"units": self.units, "name": self.name}


@keras.saving.register_keras_serializable("kinds")
class OwnCompile(Subclassed):
    """What `compile` takes is its own; the loss is weighted by it in a step of its own."""

    def compile(self, optimizer: Any, weight: float, **options: Any) -> None:
        super().compile(optimizer, keras.losses.SparseCategoricalCrossentropy(from_logits=True), **options)
        self.weight = weight

    def get_compile_config(self) -> dict[str, Any]:
        return {"optimizer": keras.saving.serialize_keras_object(self.optimizer), "weight": self.weight}

    def compile_from_config(self, config: dict[str, Any]) -> None:
        self.compile(keras.saving.deserialize_keras_object(config["optimizer"]), config["weight"])
        self.optimizer.build(self.trainable_variables)

    def compute_loss(self, *values: Any, **named: Any) -> Any:
        return self.weight * super().compute_loss(*values, **named)


@keras.saving.register_keras_serializable("kinds")
class Contained(keras.Model):  # type: ignore[misc]  # Keras ships no types
    """Holds its layers in a dict, a list or a tuple, one inside another."""

    def __init__(self, kind: str = "dict", **options: Any) -> None:
        super().__init__(**options)
        first, second, third = layers.Dense(5, "relu"), layers.Dense(5, "relu"), head()
        self.kind = kind
        self.parts: Any = {
            "dict": {"one": first, "rest": {"two": second, "three": third}},
            "list": [first, [second, third]],
            "tuple": (first, (second, third)),
        }[kind]

    def call(self, x: Any) -> Any:
        for layer in _in_order(self.parts):
            x = layer(x)
        return x

    def get_config(self) -> dict[str, Any]:
        return {"kind": self.kind, "name": self.name}


@keras.saving.register_keras_serializable("kinds")
class Cyclic(keras.Model):  # type: ignore[misc]  # Keras ships no types
    """Holds its layers in a list that holds itself."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.parts = [layers.Dense(5, "relu"), head()]
        self.parts.append(self.parts)

    def call(self, x: Any) -> Any:
        return self.parts[1](self.parts[0](x))


def _in_order(part: Any) -> list[Any]:
    """Return the layers of a container, the first first."""
    if isinstance(part, Mapping):
        part = list(part.values())
    return [one for inner in part for one in _in_order(inner)] if isinstance(part, list | tuple) else [part]


def built_late() -> Any:
    return compiled(keras.Sequential([layers.Dense(6, "relu"), layers.BatchNormalization(), head()]))


def functional() -> Any:
    inputs = layers.Input((4,))
    left, right = layers.Dense(5, "relu")(inputs), layers.Dense(5, "tanh")(inputs)
    return compiled(keras.Model(inputs, head()(layers.Concatenate()([left, right]))))


def nested() -> Any:
    inner = keras.Sequential([layers.Input((4,)), layers.Dense(5, "relu"), layers.BatchNormalization()])
    middle_in = layers.Input((4,))
    middle = keras.Model(middle_in, layers.Dense(4)(inner(middle_in)))
    inputs = layers.Input((4,))
    return compiled(keras.Model(inputs, head()(middle(inputs))))


def shared() -> Any:
    """One layer reads both halves of the row."""
    inputs, one = layers.Input((4,)), layers.Dense(5, "relu")
    halves = [one(layers.Reshape((2,))(half)) for half in (inputs[:, :2], inputs[:, 2:])]
    return compiled(keras.Model(inputs, head()(layers.Concatenate()(halves))))


def reused() -> Any:
    """One network is a part twice, and its inside once more."""
    inner_in = layers.Input((4,))
    dense = layers.Dense(4, "tanh")
    inner = keras.Model(inner_in, dense(inner_in))
    inputs = layers.Input((4,))
    return compiled(keras.Model(inputs, head()(dense(inner(inner(inputs))))))


KINDS = (
    Kind("sequential", lambda: sequential(layers.Dense(6, "relu")), traced=True),
    Kind("sequential, built late", built_late),
    Kind("functional", functional),
    Kind("subclassed", lambda: compiled(Subclassed()), traced=True),
    Kind("subclassed, not registered", lambda: compiled(Unregistered()), called=("Unregistered",)),
    Kind("subclassed functional", lambda: compiled(SubclassedFunctional())),
    Kind("own `compile`", lambda: own_compile()),
    Kind("nested", nested),
    Kind("shared layer", shared),
    Kind("reused model", reused),
    Kind("layers in a dict", lambda: compiled(Contained("dict"))),
    Kind("layers in a list", lambda: compiled(Contained("list"))),
    Kind("layers in a tuple", lambda: compiled(Contained("tuple"))),
    Kind("layers in a cycle", lambda: compiled(Cyclic())),
)


def own_compile() -> Any:
    model = OwnCompile()
    model.compile(keras.optimizers.SGD(0.2, momentum=0.9), 0.5, jit_compile=False)
    return model
