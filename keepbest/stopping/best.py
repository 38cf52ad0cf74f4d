"""A run's best validation: the first whose raw value is strictly better than all before it.

`min_delta` and smoothing belong to the stopper alone, and the selector at the run's end may choose otherwise.
"""

from __future__ import annotations

from collections.abc import Iterable

from keepbest.stopping.validation import Mode, Validation, is_better


def find_best(validations: Iterable[Validation], mode: Mode) -> Validation | None:
    """Return the best of the admitted validations, of equals the earliest; None if none has a finite value."""
    best: Validation | None = None
    for validation in validations:
        if is_better(validation.merit, best.value if best else None, mode):
            best = validation
    return best
