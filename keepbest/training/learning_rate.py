"""Reads and changes the learning rate of a state, and reduces that of the model in training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from keepbest.contract.base import new_id
from keepbest.errors import InvalidInput
from keepbest.figures import figure
from keepbest.model.variables import TrainedObject, value_of
from keepbest.snapshots.state import State
from keepbest.stopping import Decision

#: The suffix of a requested rate that is a multiple of the rate in the state.
_TIMES = "x"


def rate_in(state: State, model: Any) -> float:
    """Return the learning rate of the (first) optimizer of `model` in `state`. Raises InvalidInput if it keeps none."""
    return float(state.values[_places(state, model)[0]])


def with_rate(state: State, model: Any, request: str) -> State:
    """Return `state` with another learning rate, under a new id. The model in training does not change.

    `request` is a number (`3e-5`), or a multiple of the rate in `state` (`0.1x`). Each of several optimizers gets that
    number, or that multiple of its own rate.

    Raises:
        InvalidInput: The optimizer's rate cannot be set, or not to this value.
    """
    values = list(state.values)
    for place in _places(state, model):
        values[place] = _changed(state, values[place], request)
    return replace(state, values=tuple(values), id=new_id())


def read_rates(model: Any) -> list[float]:
    """Return the present learning rate of each optimizer of `model`. Raises InvalidInput if none can be set."""
    return [float(value_of(rate).numpy()) for rate in _find_rates(_trained(model)).values()]


def lower_rates(model: Any, request: str, before: Sequence[float]) -> str:
    """Set the learning rates in training; return the (first) new rate as text that gives the very same number.

    A multiple (`0.1x`) counts from the lower of the present rate and that in `before`, so that several recoveries from
    one state lower the rate again and again. Raises InvalidInput for a rate that is not above zero.
    """
    rates = [value_of(rate) for rate in _find_rates(_trained(model)).values()]
    bases = [min(float(rate.numpy()), then) for rate, then in zip(rates, before, strict=True)]
    fresh = [_times(base, request, rate.dtype, "now") for base, rate in zip(bases, rates, strict=True)]
    for rate, value in zip(rates, fresh, strict=True):
        rate.assign(value)
    return str(fresh[0].numpy())


def check_rate(model: Any) -> None:
    """Raise InvalidInput if no policy can set the learning rate of `model`."""
    try:
        _find_rates(_trained(model))
    except InvalidInput as error:
        hint = "Give the optimizer a plain number (a Loop: its optimizers), or leave reduce_on_plateau out; "
        hint += "recover(learning_rate=1x) leaves the rate as it is."
        raise InvalidInput(error.message, field="stopper", hint=hint) from None


def reduce_rate(decision: Decision, model: Any) -> Decision:
    """Multiply the learning rates in training as decided; return the decision with the (first) new rate in its words.

    A rate never falls below the decision's `min_rate`, nor to zero, and never rises.
    """
    if decision.rate_factor is None:
        return decision
    rates = [value_of(rate) for rate in _find_rates(_trained(model)).values()]
    before = float(rates[0].numpy())
    for rate in rates:
        rate.assign(_reduced(rate, decision.rate_factor, decision.min_rate))
    after = float(rates[0].numpy())
    return _say_rate(
        decision, f"{figure(before)} -> {figure(after)}" if after < before else f"stays {figure(before)}, the least"
    )


def _reduced(rate: Any, factor: float, least: float) -> Any:
    """Return the new rate in the rate's own precision."""
    import tensorflow as tf

    before = float(rate.numpy())
    after = tf.constant(min(before, max(before * factor, least)), rate.dtype)
    return after if float(after) > 0 else rate.read_value()


def _say_rate(decision: Decision, words: str) -> Decision:
    place = next(i for i, verdict in enumerate(decision.verdicts) if verdict.rate_factor is not None)
    verdicts = list(decision.verdicts)
    verdicts[place] = replace(verdicts[place], message=f"{verdicts[place].message} ({words})")
    return replace(decision, message=f"{decision.message} The rate: {words}.", verdicts=tuple(verdicts))


def _changed(state: State, kept: Any, request: str) -> Any:
    return _times(float(kept), request, kept.dtype, f"at step {state.step}")


def _times(base: float, request: str, dtype: Any, when: str) -> Any:
    """Return the requested rate as a tensor; a multiple counts from `base`, the rate `when`."""
    import tensorflow as tf

    number = float(request.removesuffix(_TIMES)) * (base if request.endswith(_TIMES) else 1.0)
    rate = tf.constant(number, dtype)
    if not 0 < float(rate) < float("inf"):
        raise InvalidInput(
            f"A learning rate lies above zero, but {request} gives {figure(float(rate))} as {rate.dtype.name}.",
            field="learning_rate",
            hint=f"{when[0].upper()}{when[1:]} it is {figure(base)}.",
        )
    return rate


def _places(state: State, model: Any) -> list[int]:
    """Return the places of the learning rates in `state`."""
    numbers = _find_rates(_trained(model))
    return [i for i, spec in enumerate(state.specs) if spec.collection == "optimizer" and spec.index in numbers]


def _trained(model: Any) -> TrainedObject:
    return model if isinstance(model, TrainedObject) else TrainedObject(model)


def _find_rates(trained: TrainedObject) -> dict[int, Any]:
    """Return the learning rates by their places among the optimizer's variables; a schedule is no variable."""
    if not trained.optimizers:
        raise InvalidInput("keepbest knows of no optimizer here, and so of no learning rate.", field="learning_rate")
    # An optimizer that scales the loss has the rate of its inner one.
    rates = {id(getattr(optimizer, "learning_rate", None)) for optimizer in trained.optimizers}
    result = {number: item for number, (_, item) in enumerate(trained.optimizer_variables()) if id(item) in rates}
    if not result:
        raise InvalidInput(
            "The learning rate is a schedule: the optimizer computes it anew at each step, so it cannot be set.",
            field="learning_rate",
            hint="Go back without a learning rate, or give the optimizer a plain number.",
        )
    return result
