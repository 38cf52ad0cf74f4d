"""Exponential moving averages of the weights, which Keras' optimizers keep, for the selector `ema`.

After each step the optimizer sets average = momentum * average + (1 - momentum) * weights; after the first step the
averages are the weights. They are variables of the optimizer, so every snapshot and checkpoint holds them.
"""

from __future__ import annotations

from typing import Any

import keras

from keepbest.errors import InvalidInput
from keepbest.selection.selectors import Ema, Selector
from keepbest.snapshots.averages import innermost

_FIELD = "selector"


def prepare(model: Any, selector: Selector) -> None:
    """Make the optimizer of a built `model` keep averages if `selector` needs them, and leave the raw weights in place.

    Raises InvalidInput if the optimizer cannot do that.
    """
    # Every `fit` ends by replacing the weights by the averages, also a user's own. Here a `fit` is only a stretch of
    # one training, and may have ended because of a roll back.
    model.optimizer.finalize_variable_values = lambda variables: None
    if isinstance(selector, Ema):
        optimizer = innermost(model.optimizer)
        _check(optimizer)
        _start(model, optimizer, selector.momentum)


def _start(model: Any, optimizer: Any, momentum: float) -> None:
    optimizer.use_ema, optimizer.ema_momentum = True, momentum
    if not model.optimizer.built:
        model.optimizer.build(model.trainable_variables)
    if int(optimizer.iterations) > 0:
        return  # the optimizer has kept averages since its first step
    averages = zip(optimizer._trainable_variables, optimizer._model_variables_moving_average, strict=True)
    for variable, average in averages:
        if average is not None:  # Keras begins at 0, which would be no model to save
            average.assign(variable)


def _check(optimizer: Any) -> None:
    """Raise InvalidInput, with a hint, if `optimizer` does not keep averages from the first step on."""
    kind = type(optimizer).__name__
    if not isinstance(optimizer, keras.optimizers.Optimizer) or hasattr(optimizer, "optimizers"):
        raise InvalidInput(f"ema: a {kind} keeps no averages of the weights.", field=_FIELD, hint="Use one of Keras'.")
    if optimizer.built and not optimizer.use_ema:
        hint = "Leave out optimizer.build(), or give it use_ema=True when you make it."
        raise InvalidInput(f"ema: this {kind} is built already, without averages.", field=_FIELD, hint=hint)
    if optimizer.use_ema and optimizer.ema_overwrite_frequency:
        message = f"ema: with ema_overwrite_frequency this {kind} replaces the weights by averages while it trains."
        raise InvalidInput(message, field=_FIELD, hint="Leave it out, or leave the selector out.")
