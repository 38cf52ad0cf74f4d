"""Layers that Keras builds only in training, such as an auxiliary head: built here so that a checkpoint fits."""

from __future__ import annotations

import sys
from contextlib import suppress
from typing import Any

from keepbest.checkpoint.inputs import of_model, to_zeros
from keepbest.checkpoint.manifest import Manifest
from keepbest.snapshots.snapshot import ModelVariables


def build_late(target: ModelVariables, manifest: Manifest) -> None:
    """Build the layers that `manifest` has values for and the model has no variables of yet; no value changes.

    The model is called as a training calls it. One that cannot be called stays as it is: what does not fit is told by
    whoever compares.
    """
    model = target.kept
    wanted = sum(stored_variable.collection == "model" for stored_variable in manifest.variables)
    present = sum(spec.collection == "model" for spec in target.specs)
    if not _can_grow(model) or wanted <= present:
        return
    inputs = manifest.inputs or of_model(model)
    if inputs is not None:
        with target.kept_as_they_are(), suppress(Exception):  # whatever a user's own call raises
            model(to_zeros(inputs), training=True)


def _can_grow(model: Any) -> bool:
    """Whether it is a model of Keras' with a layer that is not built."""
    keras = sys.modules.get("keras")
    if keras is None or not isinstance(model, keras.Model):
        return False
    return any(not layer.built for layer in model._flatten_layers(include_self=False))
