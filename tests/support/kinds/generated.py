"""Models put together at random: the number of the model and the seed say all of it, in every process.

Inputs of one to three sorts go through layers of their sort, a part of them nested, shared or made by preprocessing;
their rows are merged and end in one or two outputs. Optimizer, precision and averages are drawn too.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import partial
from typing import Any

import keras

from tests.support.kinds import catalogue, data
from tests.support.kinds.kind import CLASSES, Kind, compiled

layers, optimizers = keras.layers, keras.optimizers
Draw = random.Random

#: What a name of a generated kind looks like: `generated SEED/NUMBER`.
PREFIX = "generated "
PRECISIONS = ("float32", "float32", "float32", "mixed_float16", "mixed_bfloat16")

OPTIMIZERS: tuple[Callable[..., Any], ...] = (
    lambda **o: optimizers.SGD(0.05, **o),
    lambda **o: optimizers.SGD(0.05, momentum=0.9, nesterov=True, **o),
    lambda **o: optimizers.Adam(0.01, **o),
    lambda **o: optimizers.Adam(0.01, amsgrad=True, **o),
    lambda **o: optimizers.AdamW(0.01, weight_decay=0.01, **o),
    lambda **o: optimizers.Adamax(0.01, **o),
    lambda **o: optimizers.Adadelta(0.1, **o),
    lambda **o: optimizers.Adagrad(0.05, **o),
    lambda **o: optimizers.Adafactor(0.01, **o),
    lambda **o: optimizers.Ftrl(0.05, **o),
    lambda **o: optimizers.Lamb(0.01, **o),
    lambda **o: optimizers.Lion(0.005, **o),
    lambda **o: optimizers.Nadam(0.01, **o),
    lambda **o: optimizers.RMSprop(0.01, centered=True, momentum=0.5, **o),
)
OPTIONS: tuple[dict[str, Any], ...] = (
    {},
    {},
    {"clipnorm": 1.0},
    {"global_clipnorm": 1.0},
    {"gradient_accumulation_steps": 2},
    {"use_ema": True, "ema_momentum": 0.9},
    {"use_ema": True, "ema_momentum": 0.9, "ema_overwrite_frequency": 3},
)


@keras.saving.register_keras_serializable("kinds")
class Generated(keras.Model):  # type: ignore[misc]  # Keras ships no types
    """A network of a class of its own around a generated one."""

    def __init__(self, inner: Any, **options: Any) -> None:
        super().__init__(**options)
        self.inner = inner

    def call(self, x: Any, training: bool | None = None) -> Any:
        return self.inner(x, training=training)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "inner": keras.saving.serialize_keras_object(self.inner)}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Any:
        return cls(keras.saving.deserialize_keras_object(config.pop("inner"), custom_objects), **config)


def generate(name: str) -> Kind:
    """Return the kind that is called `generated SEED/NUMBER`."""
    draw = _draw(name)
    sorts = draw.sample(list(SORTS), draw.choice((1, 1, 2, 3)))
    outputs = draw.choice((1, 1, 2))
    swapped = draw.random() < 0.15
    build = partial(_build, name, sorts, outputs, swapped)
    callbacks = (lambda: [keras.callbacks.SwapEMAWeights()]) if swapped else list
    bare = partial(build, learned=False)
    return Kind(
        name,
        build,
        partial(_data, tuple(sorts), outputs),
        bare,
        (),
        callbacks,
        measures=swapped,
        # Restored, it is the average that was measured: training that goes on, with the raw weights, is another road.
        trains_on=not swapped,
        traced=True,
    )


def _draw(name: str) -> Draw:
    return random.Random(name)


def _data(sorts: tuple[str, ...], outputs: int) -> tuple[Any, Any]:
    x = {sort: SORTS[sort].data() for sort in sorts}
    y = {f"output_{number}": (data.classes() + number) % CLASSES for number in range(outputs)}
    return x, y


def _build(name: str, sorts: list[str], outputs: int, swapped: bool, *, learned: bool = True) -> Any:
    """Build and compile; each call draws the same."""
    draw = _draw(f"{name} network")
    keras.config.set_dtype_policy(draw.choice(PRECISIONS))
    try:
        model = _network(draw, sorts, outputs, learned=learned)
        return compiled(model, _optimizer(draw, swapped=swapped), _losses(outputs))
    finally:
        keras.config.set_dtype_policy("float32")


def _losses(outputs: int) -> Any:
    loss = keras.losses.SparseCategoricalCrossentropy
    return {f"output_{number}": loss(from_logits=True) for number in range(outputs)}


def _network(draw: Draw, sorts: list[str], outputs: int, *, learned: bool) -> Any:
    inputs = {sort: layers.Input(SORTS[sort].shape, dtype=SORTS[sort].dtype, name=sort) for sort in sorts}
    rows = [SORTS[sort].through(draw, begin, learned) for sort, begin in inputs.items()]
    row = _merge(draw, rows) if len(rows) > 1 else rows[0]
    row = _pass(draw, row, (*catalogue.ANY, *catalogue.ROWS), draw.randint(0, 2))
    if draw.random() < 0.2:
        row = draw.choice(catalogue.LOST)()(row) if draw.random() < 0.25 else _shared(draw, row)
    ends = {}
    for number in range(outputs):
        ends[f"output_{number}"] = layers.Dense(CLASSES, dtype="float32", name=f"output_{number}")(row)
        row = layers.Concatenate()([row, layers.Dense(3, "tanh")(row)])
    model = keras.Model(inputs, ends)
    return Generated(model) if draw.random() < 0.15 else model


def _pass(draw: Draw, x: Any, makes: tuple[catalogue.Make, ...], count: int) -> Any:
    """Send `x` through layers, now and then packed into a network of their own."""
    chosen = [draw.choice(makes) for _ in range(count)]
    if count > 1 and draw.random() < 0.3:
        begin = layers.Input(x.shape[1:], dtype=x.dtype)
        return keras.Model(begin, _in_a_row(begin, chosen))(x)
    return _in_a_row(x, chosen)


def _in_a_row(x: Any, makes: list[catalogue.Make]) -> Any:
    for make in makes:
        x = make()(x)
    return x


def _shared(draw: Draw, row: Any) -> Any:
    """One layer, or one network, twice."""
    width = row.shape[-1]
    layer = draw.choice((lambda: layers.Dense(width, "tanh"), lambda: keras.Sequential([layers.Dense(width)])))()
    return layers.Add()([layer(row), layer(layers.Rescaling(0.5)(row))])


def _merge(draw: Draw, rows: list[Any]) -> Any:
    return draw.choice(catalogue.MERGES)()([layers.Dense(4)(row) for row in rows])


def _optimizer(draw: Draw, *, swapped: bool) -> Any:
    options = {"use_ema": True, "ema_momentum": 0.9} if swapped else draw.choice(OPTIONS)
    made = draw.choice(OPTIMIZERS)(**options)
    if draw.random() < 0.15:
        made.learning_rate = optimizers.schedules.ExponentialDecay(0.02, 2, 0.7)
    if not options and draw.random() < 0.15:
        return optimizers.MultiOptimizer(optimizers.OptimizerMap(made, {".*output_0/.*": optimizers.SGD(0.05, 0.9)}))
    return made


class Sort:
    """A sort of input: its data, and how it becomes a row of numbers."""

    def __init__(
        self,
        shape: tuple[int, ...],
        data: Callable[[], Any],
        through: Callable[[Draw, Any, bool], Any],
        dtype: str | None = None,
    ) -> None:
        self.shape, self.data, self.through, self.dtype = shape, data, through, dtype


def _table(draw: Draw, x: Any, learned: bool) -> Any:
    return _pass(draw, x, (*catalogue.ANY, *catalogue.ROWS), draw.randint(1, 3))


def _measured(draw: Draw, x: Any, learned: bool) -> Any:
    layer = layers.Normalization()
    if learned:
        layer.adapt(data.measured()[0])
    return _table(draw, layer(x), learned)


def _sequence(draw: Draw, x: Any, learned: bool) -> Any:
    x = _pass(draw, x, (*catalogue.ANY, *catalogue.SEQUENCES), draw.randint(1, 3))
    if draw.random() < 0.2:
        x = draw.choice((lambda: layers.MultiHeadAttention(2, 2), lambda: layers.GroupQueryAttention(2, 2, 1)))()(x, x)
    return draw.choice(catalogue.SEQUENCE_ENDS)()(x)


def _picture(draw: Draw, x: Any, learned: bool) -> Any:
    x = _pass(draw, x, (*catalogue.ANY, *catalogue.PICTURES), draw.randint(1, 3))
    return draw.choice(catalogue.PICTURE_ENDS)()(x)


def _words(draw: Draw, x: Any, learned: bool) -> Any:
    mode = draw.choice(("multi_hot", "int"))
    layer = layers.StringLookup(output_mode=mode, max_tokens=6, pad_to_max_tokens=mode != "int")
    if learned:
        layer.adapt(data.words()[0])
    x = layer(x)
    return x if mode == "multi_hot" else layers.Flatten()(layers.Embedding(6, 3)(x))


def _numbers(draw: Draw, x: Any, learned: bool) -> Any:
    if draw.random() < 0.3:
        return layers.Hashing(5, output_mode="multi_hot")(x)
    layer = layers.IntegerLookup(output_mode="multi_hot", max_tokens=6, pad_to_max_tokens=True)
    if learned:
        layer.adapt(data.numbers()[0])
    return layer(x)


def _texts(draw: Draw, x: Any, learned: bool) -> Any:
    layer = layers.TextVectorization(max_tokens=12, output_sequence_length=4)
    if learned:
        layer.adapt(data.texts()[0])
    x = layers.Embedding(12, 3)(layer(x))
    return _sequence(draw, x, learned)


SORTS = {
    "table": Sort((4,), lambda: data.table()[0], _table),
    "measured": Sort((4,), lambda: data.measured()[0], _measured),
    "picture": Sort((6, 6, 1), lambda: data.pictures()[0], _picture),
    "sequence": Sort((3, 2), lambda: data.sequences()[0], _sequence),
    "words": Sort((1,), lambda: data.words()[0], _words, "string"),
    "numbers": Sort((1,), lambda: data.numbers()[0], _numbers, "int64"),
    "texts": Sort((1,), lambda: data.texts()[0], _texts, "string"),
}
