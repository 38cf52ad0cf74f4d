"""Asynchronous successive halving in one run: where the run pauses. `keepbest.stopping.rungs` decides which runs go on.

ASHA: Li et al., *A System for Massively Parallel Hyperparameter Tuning*, MLSys 2020.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from keepbest.status import StopReason
from keepbest.stopping.policies.params import whole
from keepbest.stopping.policies.policy import Memory, Policy
from keepbest.stopping.validation import Validation, Verdict

_SHARES = {2: "half", 3: "third", 4: "quarter"}


@dataclass(frozen=True, kw_only=True)
class SuccessiveHalving(Policy):
    """Pause at steps min_steps * factor^k until the run is among the best 1/factor of its sweep there (ASHA).

    Rung k, counted from 1, lies at step min_steps * factor^(k-1). The run pauses at the first validation at or after a
    rung; if the run has passed several rungs, the highest counts. Only in a sweep; a run that is not promoted ends
    with the sweep.

    Example:
        >>> from keepbest.stopping import SuccessiveHalving, Validation
        >>> policy = SuccessiveHalving(mode="max", min_steps=250, factor=3)
        >>> state = policy.start()
        >>> for step, value in [(100, 0.5), (300, 0.6)]:
        ...     state, decision = policy.observe(state, Validation(step, value))
        >>> decision.stop, decision.rung
        (False, 1)
    """

    name: ClassVar[str] = "successive_halving"
    reason: ClassVar[StopReason] = StopReason.SUCCESSIVE_HALVING

    min_steps: int = whole("the step of the first rung")
    factor: int = whole("one run of so many goes on from a rung, and so many times further", at_least=2, default=4)

    initial: ClassVar[Memory] = {"rung": 0}

    def judge(self, memory: Memory, validation: Validation) -> tuple[Memory, tuple[Verdict, ...]]:
        reached = memory["rung"] if validation.value is None else self.rung_at(validation.step)
        if reached <= memory["rung"]:
            following = memory["rung"] + 1
            return memory, (self.verdict(validation, f"rung {following} lies at step {self.step_of(following):,}"),)
        share = _SHARES.get(self.factor, f"1/{self.factor}")
        message = f"rung {reached} at step {validation.step:,}: the best {share} go on"
        return {"rung": reached}, (replace(self.verdict(validation, message), rung=reached),)

    @property
    def can_stop(self) -> bool:
        return False

    @property
    def pausing(self) -> tuple[Policy, ...]:
        return (self,)

    def step_of(self, rung: int) -> int:
        """Return the step of a rung."""
        return int(self.min_steps * self.factor ** (rung - 1))

    def rung_at(self, step: int) -> int:
        """Return the highest rung at or before `step`; 0 before the first."""
        rung = 0
        while self.step_of(rung + 1) <= step:
            rung += 1
        return rung
