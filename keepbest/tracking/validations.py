"""What was measured, made into the one value that goes from whoever trains to the record."""

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
    """Return a validation after `step`, of numbers as scripts have them: of NumPy, tensors of one number.

    `n` is on how many examples, `train` the training loss, `metrics` what else was measured, `pairs` what it says of
    each example, `duration_seconds` how long it took. Raises InvalidInput for a value of several numbers, PolicyError
    for a step that is none.
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
