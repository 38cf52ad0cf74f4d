"""The size of the last accepted improvement, in examples and in standard errors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from keepbest.contract.validations import RecordedValidation
from keepbest.stopping.policies.noise import standard_error
from keepbest.stopping.validation import Mode, is_better

#: A gain of fewer standard errors counts as noise.
NOISE = 2.0


@dataclass(frozen=True)
class Gain:
    """The step from the best before to the best. `examples` and `errors` are None if the value is no share of n."""

    step: int
    before: float
    value: float
    examples: float | None
    errors: float | None

    @property
    def is_noise(self) -> bool:
        return self.errors is not None and self.errors < NOISE


def find_last_gain(validations: Sequence[RecordedValidation], mode: Mode) -> Gain | None:
    """Return the gain of the last validation that was better than all before it; the first validation gains nothing."""
    best: float | None = None
    gain: Gain | None = None
    for validation in validations:
        counts = validation.decision.is_admitted and not validation.is_withdrawn and not validation.ghost
        if not counts or validation.value is None or not is_better(validation.value, best, mode):
            continue
        if best is not None:
            gain = _measure(validation, best, validation.value)
        best = validation.value
    return gain


def _measure(validation: RecordedValidation, before: float, value: float) -> Gain:
    error = standard_error(before, validation.n)
    if not validation.n or not error:
        return Gain(validation.step, before, value, None, None)
    change = abs(value - before)
    return Gain(validation.step, before, value, change * validation.n, change / error)
