"""The best of a run, as far as its script knows."""

from __future__ import annotations

from dataclasses import dataclass

from keepbest.checkpoint import Store
from keepbest.restoration import Checkpoint


@dataclass(frozen=True)
class BestValidation:
    """The best validation so far. `checkpoint` is None where it is kept in memory only, or not on disk yet."""

    step: int
    value: float
    checkpoint: Checkpoint | None


def find_checkpoint(store: Store, run: str, step: int, value: float) -> Checkpoint | None:
    """Return the newest checkpoint of a validation, or None."""
    found = [one for one in store.manifests(run) if one.is_trained and (one.step, one.value) == (step, value)]
    return Checkpoint(found[-1], store) if found else None
