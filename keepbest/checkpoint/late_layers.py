"""Builds layers that Keras builds only in training, such as an auxiliary head, so that a checkpoint fits the model."""

from __future__ import annotations

import sys
from contextlib import suppress
from typing import Any

from keepbest.checkpoint.inputs import of_model, to_zeros
from keepbest.checkpoint.manifest import Manifest
from keepbest.snapshots.snapshot import ModelVariables


def build_late(target: ModelVariables, manifest: Manifest) -> None:
    """Build the layers that have values in `manifest` and no variables in the model yet; no value changes.

    This calls the model as training does. If the call fails, the model stays as it is, and the comparison that follows
    names the differences.
    """
    model = target.kept
    wanted = sum(stored.collection == "model" for stored in manifest.variables)
    present = sum(spec.collection == "model" for spec in target.specs)
    if not _can_grow(model) or wanted <= present:
        return
    inputs = manifest.inputs or of_model(model)
    if inputs is not None:
        with target.kept_as_they_are(), suppress(Exception):  # a user's own call may raise anything
            model(to_zeros(inputs), training=True)


def _can_grow(model: Any) -> bool:
    """Whether `model` is a Keras model with a layer that is not built."""
    keras = sys.modules.get("keras")
    if keras is None or not isinstance(model, keras.Model):
        return False
    return any(not layer.built for layer in model._flatten_layers(include_self=False))
