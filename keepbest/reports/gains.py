"""The last improvement that was accepted: how many examples it is, and how many standard errors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from keepbest.contract.validations import RecordedValidation
from keepbest.stopping.policies.noise import standard_error
from keepbest.stopping.validation import Mode, is_better

#: Fewer standard errors than this are called noise.
NOISE = 2.0


@dataclass(frozen=True)
class Gain:
    """From the best before to the best: `examples` and `errors` are None where the value is no share of n examples."""

    step: int
    before: float
    value: float
    examples: float | None
    errors: float | None

    @property
    def is_noise(self) -> bool:
        return self.errors is not None and self.errors < NOISE


def find_last_gain(looks: Sequence[RecordedValidation], mode: Mode) -> Gain | None:
    """Return the last look on the living path that was better than all before it; the first look gains nothing."""
    best: float | None = None
    gain: Gain | None = None
    for look in looks:
        counts = look.decision.is_admitted and not look.is_withdrawn and not look.ghost
        if not counts or look.value is None or not is_better(look.value, best, mode):
            continue
        if best is not None:
            gain = _measure(look, best, look.value)
        best = look.value
    return gain


def _measure(look: RecordedValidation, before: float, value: float) -> Gain:
    error = standard_error(before, look.n)
    if not look.n or not error:
        return Gain(look.step, before, value, None, None)
    change = abs(value - before)
    return Gain(look.step, before, value, change * look.n, change / error)
