"""Makes the optimizers of a model in training clip their gradients, and has Keras trace its step anew."""

from __future__ import annotations

from typing import Any

from keepbest.errors import InvalidInput
from keepbest.model.variables import TrainedObject
from keepbest.snapshots.averages import innermost


def check_clipping(model: Any) -> None:
    """Raise InvalidInput if the step of `model` is not Keras' own: nobody else traces it anew."""
    if not hasattr(model, "make_train_function"):
        raise InvalidInput(
            "Only the step of a Keras model can be traced anew with clipping.",
            field="stopper",
            hint="Leave global_clipnorm out of recover, and clip in your own step.",
        )


def clip_gradients(model: Any, norm: float) -> bool:
    """Clip gradients to a global norm of at most `norm` from the next step on; return whether that changes anything.

    It takes the place of the optimizer's other clipping, since Keras allows only one.
    """
    optimizers = [innermost(optimizer) for optimizer in TrainedObject(model).optimizers]
    loose = [item for item in optimizers if item.global_clipnorm is None or item.global_clipnorm > norm]
    for optimizer in loose:
        optimizer.clipnorm = optimizer.clipvalue = None
        optimizer.global_clipnorm = norm
    if loose and getattr(model, "train_function", None) is not None:
        model.make_train_function(force=True)
    return bool(loose)
