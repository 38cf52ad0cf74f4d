"""The learning rate in a state: what it is there, and the same state with another one."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from keepbest.contract.base import new_id
from keepbest.errors import InvalidInput
from keepbest.snapshots.state import State
from keepbest.snapshots.variables import Trained

#: At the end of what is asked: so many times what it is in that state.
_TIMES = "x"


def rate_in(state: State, model: Any) -> float:
    """Return the learning rate that the (first) optimizer of `model` has in `state`. InvalidInput: it keeps none."""
    return float(state.values[_places(state, model)[0]])


def with_rate(state: State, model: Any, asked: str) -> State:
    """Return `state` with another learning rate, under an id of its own. Nothing living is touched.

    `asked` is a number (`3e-5`), or a multiple of what the rate is in `state` (`0.1x`). Of several optimizers each gets
    that number, or that multiple of its own.

    Raises:
        InvalidInput: The optimizer keeps no rate that could be set, or cannot hold this one.
    """
    values = list(state.values)
    for place in _places(state, model):
        values[place] = _changed(state, values[place], asked)
    return replace(state, values=tuple(values), id=new_id())


def _changed(state: State, kept: Any, asked: str) -> Any:
    import tensorflow as tf

    number = float(asked.removesuffix(_TIMES)) * (float(kept) if asked.endswith(_TIMES) else 1.0)
    rate = tf.constant(number, kept.dtype)
    if not 0 < float(rate) < float("inf"):
        raise InvalidInput(
            f"A learning rate lies above zero, but {asked} gives {float(rate):g} as {kept.dtype.name}.",
            field="learning_rate",
            hint=f"At step {state.step} it is {float(kept):g}.",
        )
    return rate


def _places(state: State, model: Any) -> list[int]:
    """Return where in `state` the learning rates lie: a plain one is a variable among the optimizer's."""
    trained = model if isinstance(model, Trained) else Trained(model)
    if not trained.optimizers:
        raise InvalidInput("There is no optimizer that keepbest knows of, so no learning rate.", field="learning_rate")
    # Of an optimizer that scales the loss, the inner one's.
    rates = {id(getattr(optimizer, "learning_rate", None)) for optimizer in trained.optimizers}
    numbers = {number for number, (_, one) in enumerate(trained.optimizer_variables()) if id(one) in rates}
    if not numbers:
        raise InvalidInput(
            "The learning rate is a schedule: the optimizer computes it anew at each step, so it cannot be set.",
            field="learning_rate",
            hint="Go back without a learning rate, or give the optimizer a plain number.",
        )
    return [i for i, spec in enumerate(state.specs) if spec.collection == "optimizer" and spec.index in numbers]
