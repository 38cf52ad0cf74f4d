"""The first strict raw best: what a run holds for its best, whatever selects at its end.

Raw values are compared: min_delta and smoothing belong to the stopper alone.
"""

from __future__ import annotations

from collections.abc import Iterable

from keepbest.stopping.validation import Mode, Validation, is_better


def find_best(validations: Iterable[Validation], mode: Mode) -> Validation | None:
    """Return the first strict raw best of the validations that are admitted, or None where none has a finite value.

    Ties go to the earlier validation.
    """
    best: Validation | None = None
    for validation in validations:
        if is_better(validation.merit, best.value if best else None, mode):
            best = validation
    return best
