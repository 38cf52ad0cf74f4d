"""Refuses a Keras that computes with JAX, PyTorch or another library: keepbest captures TensorFlow's variables."""

from __future__ import annotations

import sys

from keepbest.errors import InvalidInput
from keepbest.settings import keras_backend


def check_backend() -> None:
    """Raise InvalidInput if Keras computes, or will compute once imported, with another library than TensorFlow."""
    keras = sys.modules.get("keras")
    name = keras_backend() if keras is None else keras.config.backend()
    if name != "tensorflow":
        raise refuse_backend(name)


def refuse_backend(name: str) -> InvalidInput:
    """Return the error that says that Keras computes with the library `name`."""
    return InvalidInput(
        f"Keras computes with {name} here; keepbest keeps what TensorFlow trains.",
        field="KERAS_BACKEND",
        hint="Set KERAS_BACKEND=tensorflow before Keras is imported.",
    )
