"""What a kind is: how a user builds and compiles it, and what it is trained on. Nothing here knows keepbest."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
import tensorflow as tf

from tests.support.kinds.data import table

CLASSES = 3
#: Every kind is trained this many epochs of two batches; its best is the end of the one with this number, from 0.
EPOCHS, BEST = 3, 1
BATCH = 8


@dataclass(frozen=True)
class Kind:
    """One kind of model.

    `build` is the user's own code. `bare` builds the same where the preprocessing has not learned anything yet: what
    is restored into. `called` are the names of which a refusal has to say one. `outside` is what the kind knows beside
    its variables: bytes that must be among the exported arrays. `measures`: the value is that of fit's own validation.
    `trains_on`: what was restored is trained further as well. `traced`: its
    steps are traced, since it is about values that a traced step may hold; tracing takes most of the time.
    """

    name: str
    build: Callable[[], Any]
    data: Callable[[], tuple[Any, Any]] = table
    bare: Callable[[], Any] | None = None
    called: tuple[str, ...] = ()
    callbacks: Callable[[], list[Any]] = list
    outside: tuple[bytes, ...] = ()
    measures: bool = False
    trains_on: bool = False
    traced: bool = False

    def build_bare(self) -> Any:
        return (self.bare or self.build)()


def compiled(model: Any, optimizer: Any = None, loss: Any = None, **options: Any) -> Any:
    """Return the model, compiled as most kinds are."""
    loss = loss if loss is not None else keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer or keras.optimizers.SGD(0.2, momentum=0.9), loss, **{"jit_compile": False, **options})
    return model


def sequential(*layers: Any, shape: tuple[int, ...] = (4,), **options: Any) -> Any:
    """Return a compiled classifier that begins with these layers."""
    begin = keras.layers.Input(shape, dtype=options.pop("dtype", None))
    return compiled(keras.Sequential([begin, *layers, head()]), **options)


def head() -> Any:
    return keras.layers.Dense(CLASSES)


def seed_all(seed: int) -> None:
    keras.utils.set_random_seed(seed)
    tf.random.set_global_generator(tf.random.Generator.from_seed(seed))
