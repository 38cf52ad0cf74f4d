"""The TensorFlow Playground's little networks: two coordinates in, one value from -1 to 1 out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from keepbest.errors import InvalidInput
from keepbest.training.spec import Training
from worker.data.planar import load_planar
from worker.data.splits import Split

#: The inputs that the Playground offers; the network computes them from the two coordinates.
FEATURES: dict[str, Callable[[Any, Any, Any], Any]] = {
    "x": lambda ops, x, y: x,
    "y": lambda ops, x, y: y,
    "x2": lambda ops, x, y: x * x,
    "y2": lambda ops, x, y: y * y,
    "xy": lambda ops, x, y: x * y,
    "sinx": lambda ops, x, y: ops.sin(x),
    "siny": lambda ops, x, y: ops.sin(y),
}
ACTIVATIONS = ("tanh", "relu", "sigmoid", "linear")
REGULARIZATIONS = ("none", "l1", "l2")
MAX_LAYERS, MAX_UNITS = 6, 8


def build_playground(
    split: Split,
    *,
    features: str = "x,y",
    hidden: str = "4,2",
    activation: str = "tanh",
    noise: float = 0.0,
    learning_rate: float = 0.03,
    batch_size: int = 10,
    regularization: str = "none",
    regularization_rate: float = 0.0,
    data_seed: int = 0,
) -> Training:
    """`features` are of x, y, x2, y2, xy, sinx, siny; `hidden` is the units of each layer, up to six of up to eight.

    The output is a tanh. The Playground's loss is half the squared difference, and Keras' the whole. So the learning
    rate is halved here, and each step equals the Playground's.
    """
    import keras

    chosen, units = _read_features(features), _read_units(hidden)
    _check_one_of("activation", activation, ACTIVATIONS)
    _check_one_of("regularization", regularization, REGULARIZATIONS)
    split = load_planar(split.name, noise=noise, seed=data_seed)
    penalty = None if regularization == "none" else keras.regularizers.L1L2(**{regularization: regularization_rate})
    model = _make_network(chosen, units, activation, penalty)
    model.compile(keras.optimizers.SGD(learning_rate / 2), "mean_squared_error")
    train, validation, test = ((part.x, part.y) for part in (split.train, split.validation, split.test))
    return Training(model, train, validation, test, batch_size=batch_size, about=split.about(), also={"train": train})


def _make_network(chosen: list[str], units: list[int], activation: str, penalty: Any) -> Any:
    """Return a network of Keras' own operations only, which can be rebuilt from its description."""
    import keras

    start: dict[str, Any] = {
        "kernel_initializer": keras.initializers.RandomUniform(-0.5, 0.5),
        "bias_initializer": keras.initializers.Constant(0.1),
        "kernel_regularizer": penalty,
    }
    point = keras.layers.Input((2,), name="point")
    x, y = point[:, 0:1], point[:, 1:2]
    inputs = [FEATURES[name](keras.ops, x, y) for name in chosen]
    flow = keras.layers.Concatenate(name="features")(inputs) if len(inputs) > 1 else inputs[0]
    for number, count in enumerate(units, start=1):
        flow = keras.layers.Dense(count, activation=activation, name=f"hidden{number}", **start)(flow)
    return keras.Model(point, keras.layers.Dense(1, activation="tanh", name="output", **start)(flow), name="playground")


def _read_features(text: str) -> list[str]:
    names = [name.strip() for name in text.split(",") if name.strip()]
    unknown = [name for name in names if name not in FEATURES]
    if unknown or not names or len(set(names)) != len(names):
        raise InvalidInput(
            f"features is a list like x,y,x2 of {', '.join(FEATURES)}, each once; but got {text!r}.",
            field="parameters.features",
        )
    return names


def _read_units(text: str) -> list[int]:
    parts = [part.strip() for part in text.split(",") if part.strip()]
    units = [int(part) if part.isdecimal() else 0 for part in parts]
    if len(units) > MAX_LAYERS or not all(1 <= count <= MAX_UNITS for count in units):
        raise InvalidInput(
            f"hidden is a list like 4,2 of at most {MAX_LAYERS} layers of 1 to {MAX_UNITS} units; but got {text!r}.",
            field="parameters.hidden",
        )
    return units


def _check_one_of(name: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise InvalidInput(f"{name} is one of {', '.join(allowed)}; but got {value!r}.", field=f"parameters.{name}")
