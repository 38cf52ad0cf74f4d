"""Finds the data of the `fit` that calls us: Keras does not pass it to a callback."""

from __future__ import annotations

import sys
from typing import Any

from keepbest.checkpoint.inputs import Inputs, describe_batch


def of_fit(model: Any) -> Inputs | None:
    """Return the form of the data with which `fit` trains `model` now, or None if no such `fit` is on the stack."""
    frame = sys._getframe(1)  # the only way to the data: the model's own record of shapes has no types
    while frame.f_back is not None:
        frame = frame.f_back
        iterator = frame.f_locals.get("epoch_iterator")
        if iterator is not None and frame.f_locals.get("self") is model:
            dataset = getattr(iterator, "_distributed_dataset", None)
            batch = getattr(dataset, "element_spec", None)
            return describe_batch(batch[0]) if isinstance(batch, tuple) and batch else None
    return None
