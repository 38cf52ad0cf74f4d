"""Makes a `Validation` from what a script measured."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from keepbest.journal.values import check_one, to_number
from keepbest.stopping import Pairs, Validation


def make_validation(
    step: int,
    value: Any,
    n: int | None = None,
    *,
    train: Any = None,
    metrics: Mapping[str, Any] | None = None,
    pairs: Pairs | None = None,
    epoch: float | None = None,
    duration_seconds: float | None = None,
) -> Validation:
    """Return a validation at `step` from a script's numbers: Python's, NumPy's, or tensors of one number.

    `n` is the number of examples, `train` the training loss, `metrics` the further metrics, `pairs` the result of each
    example, `duration_seconds` the time of the validation. Raises InvalidInput for a value of several numbers,
    PolicyError for a step that is no whole number.
    """
    check_one(value)
    return Validation(
        step,
        to_number(value),
        n,
        to_number(train),
        metrics=metrics or {},
        pairs=pairs,
        epoch=to_number(epoch),
        duration_seconds=duration_seconds,
    )
