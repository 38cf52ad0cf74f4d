"""The best validation of a living run, and the checkpoint of it."""

from __future__ import annotations

from dataclasses import dataclass

from keepbest.checkpoint import Checkpoint, Store
from keepbest.tracking.stopper import Stopper


@dataclass(frozen=True)
class BestValidation:
    """The best validation so far. `checkpoint` is None if its state is in memory only, or not on disk yet."""

    step: int
    value: float
    checkpoint: Checkpoint | None


def find_best(stopper: Stopper, store: Store | None, run: str) -> BestValidation | None:
    """Return the best validation of a run; None before the first finite value."""
    step, value = stopper.best
    if step is None or value is None:
        return None
    return BestValidation(step, value, _find_checkpoint(store, run, step, value))


def _find_checkpoint(store: Store | None, run: str, step: int, value: float) -> Checkpoint | None:
    """Return the newest checkpoint of a validation."""
    if store is None:
        return None
    place = (step, value)
    manifests = [item for item in store.manifests(run) if item.is_trained and (item.step, item.value) == place]
    return Checkpoint(manifests[-1], store) if manifests else None
