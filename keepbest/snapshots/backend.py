"""Keras computes with one of several libraries; keepbest holds what TensorFlow computes with."""

from __future__ import annotations

import sys

from keepbest.errors import InvalidInput


def check_backend() -> None:
    """Raise InvalidInput where Keras is there and computes with another library than TensorFlow."""
    keras = sys.modules.get("keras")
    if keras is not None and keras.config.backend() != "tensorflow":
        raise refuse_backend(keras.config.backend())


def refuse_backend(name: str) -> InvalidInput:
    """Return the error that names the library."""
    return InvalidInput(
        f"Keras computes with {name} here; keepbest keeps what TensorFlow trains.",
        field="KERAS_BACKEND",
        hint="Set KERAS_BACKEND=tensorflow before Keras is imported.",
    )
