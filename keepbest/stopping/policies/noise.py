"""Patience that counts only gains above the noise of the measurement."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from keepbest.figures import figure
from keepbest.status import StopReason
from keepbest.stopping.policies.params import number, whole
from keepbest.stopping.policies.patience import DEFAULT_CHECKS
from keepbest.stopping.policies.policy import Memory, Policy
from keepbest.stopping.validation import Mode, Validation, Verdict, is_better


@dataclass(frozen=True, kw_only=True)
class NoiseAware(Policy):
    """Stop when so many validations in a row were not better by more than `z` standard errors of the reference.

    For values that are a share of n examples, such as accuracy. This policy stops much earlier than patience: of many
    small true gains, each is below the noise.

    Example:
        >>> from keepbest.stopping import NoiseAware, Validation
        >>> policy = NoiseAware(mode="max", checks=2)
        >>> state = policy.start()
        >>> for step, value in enumerate([0.90, 0.91, 0.92], start=1):
        ...     state, decision = policy.observe(state, Validation(step, value, n=100))
        >>> decision.stop, decision.best_step
        (True, 3)
    """

    name: ClassVar[str] = "noise_aware"
    reason: ClassVar[StopReason] = StopReason.PATIENCE
    needs: ClassVar[tuple[str, ...]] = ("n",)

    checks: int = whole("validations without a gain above the noise", default=DEFAULT_CHECKS)
    z: float = number("standard errors that a gain must exceed", at_least=0, default=1.0)
    scale: float = number("the value of all examples: 1, or 100 for percent", above=0, default=1.0)

    initial: ClassVar[Memory] = {"reference": None, "margin": 0.0, "wait": 0}
    renewed: ClassVar[Memory] = {"wait": 0}

    def judge(self, memory: Memory, validation: Validation) -> tuple[Memory, tuple[Verdict, ...]]:
        if validation.merit is not None:
            memory = self._count(memory, validation.merit, validation.n)
        wait = memory["wait"]
        stop = validation.value is not None and wait >= self.checks
        message = f"no gain above {figure(memory['margin'], 3)} for {wait} of {self.checks} checks"
        return memory, (self.verdict(validation, message, stop=stop, wait=wait, limit=self.checks, unit="checks"),)

    def _count(self, memory: Memory, value: float, n: int | None) -> Memory:
        if not exceeds(value, memory["reference"], memory["margin"], self.mode):
            return {**memory, "wait": memory["wait"] + 1}
        margin = self.z * self.scale * standard_error(value / self.scale, n)
        return {"reference": value, "margin": margin, "wait": 0}


def exceeds(value: float, reference: float | None, margin: float, mode: Mode) -> bool:
    """Whether `value` is better than the reference by more than `margin`."""
    if reference is None:
        return is_better(value, None, mode)
    return is_better(value - margin if mode == "max" else value + margin, reference, mode)


def standard_error(share: float, n: int | None) -> float:
    """Return sqrt(p (1 - p) / n), the binomial standard error; 0 without n, or if p is not within 0 and 1."""
    if not n or not 0 <= share <= 1:
        return 0.0
    return math.sqrt(share * (1 - share) / n)
