"""`keepbest.Checkpoint`: one checkpoint of a run, which can be loaded into a model."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

from keepbest.checkpoint.load import Loaded
from keepbest.checkpoint.manifest import Manifest
from keepbest.checkpoint.plan import RestorePlan
from keepbest.checkpoint.rebuild import build_like
from keepbest.checkpoint.store import Store

_log = logging.getLogger("keepbest")

Model = TypeVar("Model")


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint in a store. `load` and `load_into` read its values and check each digest."""

    manifest: Manifest = field(repr=False)
    store: Store = field(repr=False)

    @property
    def id(self) -> str:
        return self.manifest.id

    @property
    def run(self) -> str:
        """The id of its run."""
        return self.manifest.run

    @property
    def step(self) -> int:
        return self.manifest.step

    @property
    def value(self) -> float | None:
        """The monitored value; None for a checkpoint that was not written at a validation."""
        return self.manifest.value

    @property
    def kind(self) -> str:
        """The reason for the checkpoint: "best", "last", "manual" or "selected"."""
        return self.manifest.kind

    @property
    def at(self) -> datetime:
        return self.manifest.at

    @property
    def size_bytes(self) -> int:
        """Bytes of all its values, also of those that it shares with other checkpoints."""
        return self.manifest.size_bytes

    def load(self) -> Loaded:
        """Read the checkpoint into memory. Raises CheckpointDamaged if a value is not what was written."""
        return self.store.load(self.run, self.id)

    def plan(self, model: Any, renames: Mapping[str, str] | None = None) -> RestorePlan:
        """Return what `load_into` would do with each variable. Reads only the manifest.

        If the model is not built yet, this builds it as the run's model was.
        """
        build_like(self.store, self.manifest, model)
        return Loaded(self.manifest, ()).plan(model, renames)

    def load_into(self, model: Model, *, partial: bool = False, renames: Mapping[str, str] | None = None) -> Model:
        """Put its values into `model`: a Keras model, a `tf.Module`, or a dict or list of variables. Returns `model`.

        If the model is not built yet, this builds it as the run's model was. A model without an optimizer takes the
        network alone. `partial` takes the variables that fit and leaves the others as they are.
        `renames={"dense/kernel": "head/kernel"}`, or only the first parts of such names, puts values into variables of
        other names.

        Raises:
            CheckpointDamaged: A value is not what was written.
            CheckpointMismatch: The checkpoint does not fit the model, which stays as it is; the message names every
                difference.
        """
        loaded, planned = self.load(), None
        build_like(self.store, self.manifest, model)
        if partial or renames:
            planned = loaded.plan(model, renames)
            planned.check(partial=partial)
            if not planned.is_same:
                _log.warning("keepbest: Restoring %s of the %s variables of the network.", *planned.fitting)
        loaded.load_into(model, plan=planned, strict=not partial)
        return model

    def __repr__(self) -> str:
        return f"Checkpoint(run={self.run!r}, id={self.id!r}, step={self.step}, value={self.value}, kind={self.kind!r})"
