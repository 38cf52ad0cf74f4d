"""`keepbest.Checkpoint`: one checkpoint of a run, and how it goes into a model."""

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
    """A checkpoint that lies in a store. Its values are read when they are asked for, each digest checked."""

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
        """The monitored value; None where it was not written at a validation."""
        return self.manifest.value

    @property
    def kind(self) -> str:
        """Why it was written: "best", "last" or "manual"."""
        return self.manifest.kind

    @property
    def at(self) -> datetime:
        return self.manifest.at

    @property
    def size_bytes(self) -> int:
        """Bytes of all its values, whether they share their place with other checkpoints or not."""
        return self.manifest.size_bytes

    def load(self) -> Loaded:
        """Read it into memory. Raises CheckpointDamaged where it is not what was written."""
        return self.store.load(self.run, self.id)

    def plan(self, model: Any, renames: Mapping[str, str] | None = None) -> RestorePlan:
        """Return what `load_into` would do with each variable; nothing is read but the manifest.

        A model that is not built yet is built as the run's was.
        """
        build_like(self.store, self.manifest, model)
        return Loaded(self.manifest, ()).plan(model, renames)

    def load_into(self, model: Model, *, partial: bool = False, renames: Mapping[str, str] | None = None) -> Model:
        """Put its values into `model` and return that: a Keras model, a `tf.Module`, or a dict or list of variables.

        A model that is not built yet is built as the run's was; one without an optimizer takes the network alone.
        `partial` takes what fits and leaves the rest as it is; `renames={"dense/kernel": "head/kernel"}`, or only their
        first parts, says what else goes where.

        Raises:
            CheckpointDamaged: It is not what was written.
            CheckpointMismatch: It does not fit the model; the message names every difference. Nothing was set.
        """
        loaded, planned = self.load(), None
        build_like(self.store, self.manifest, model)
        if partial or renames:
            planned = loaded.plan(model, renames)
            planned.check(partial=partial)
            if not planned.is_same:
                _log.warning("keepbest: %s of %s variables of the network are restored.", *planned.fitting)
        loaded.load_into(model, plan=planned, strict=not partial)
        return model

    def __repr__(self) -> str:
        return f"Checkpoint(run={self.run!r}, id={self.id!r}, step={self.step}, value={self.value}, kind={self.kind!r})"
