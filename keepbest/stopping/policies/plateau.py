"""Reduces the learning rate on a plateau, and at last stops: Keras' ReduceLROnPlateau as a policy.

The policy only names the factor (`Decision.rate_factor`); `keepbest.training` sets the learning rate. So the policy
does not know the rate, and a plateau at `min_rate` counts like any other.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from keepbest.figures import figure
from keepbest.status import StopReason
from keepbest.stopping.policies.params import number, whole
from keepbest.stopping.policies.patience import DEFAULT_CHECKS
from keepbest.stopping.policies.policy import Memory, Policy
from keepbest.stopping.validation import Validation, Verdict, improves


@dataclass(frozen=True, kw_only=True)
class ReduceOnPlateau(Policy):
    """Multiply the learning rate by `factor` when so many validations in a row brought no improvement, and go on.

    The wait then begins anew, after `cooldown` validations that do not count (PyTorch's rule; Keras counts the last of
    them). With `max_reductions` the run stops when `checks` validations after the last reduction brought none.

    Example:
        >>> from keepbest.stopping import ReduceOnPlateau, Validation
        >>> policy = ReduceOnPlateau(mode="min", checks=2, factor=0.1)
        >>> state = policy.start()
        >>> for step, value in enumerate([0.5, 0.5, 0.5], start=1):
        ...     state, decision = policy.observe(state, Validation(step, value))
        >>> decision.stop, decision.rate_factor
        (False, 0.1)
    """

    name: ClassVar[str] = "reduce_on_plateau"
    reason: ClassVar[StopReason] = StopReason.PATIENCE

    checks: int = whole("validations without improvement before the rate is reduced", default=DEFAULT_CHECKS)
    factor: float = number("what the learning rate is multiplied by", above=0, below=1, default=0.1)
    min_delta: float = number("a smaller gain is no improvement", at_least=0, default=0.0)
    cooldown: int = whole("validations after a reduction that do not count", at_least=0, default=0)
    min_rate: float = number("the learning rate is not reduced below this", at_least=0, default=0.0)
    max_reductions: int | None = whole("stop at the plateau after this many reductions", default=None)

    initial: ClassVar[Memory] = {"reference": None, "wait": 0, "cooldown": 0, "reductions": 0}
    renewed: ClassVar[Memory] = {"wait": 0}

    def judge(self, memory: Memory, validation: Validation) -> tuple[Memory, tuple[Verdict, ...]]:
        if validation.merit is not None:
            memory = self._count(memory, validation.merit)
        if self.max_reductions is not None and memory["reductions"] >= self.max_reductions:
            return memory, (self._say_last(memory, validation),)
        if validation.value is None or memory["wait"] < self.checks:
            return memory, (self.verdict(validation, self._progress(memory)),)
        after = {**memory, "wait": 0, "cooldown": self.cooldown, "reductions": memory["reductions"] + 1}
        message = f"learning rate x{figure(self.factor)}: {memory['wait']} checks without improvement"
        return after, (replace(self.verdict(validation, message), rate_factor=self.factor, min_rate=self.min_rate),)

    @property
    def can_stop(self) -> bool:
        return self.max_reductions is not None

    @property
    def changes_rate(self) -> bool:
        return True

    def _count(self, memory: Memory, value: float) -> Memory:
        is_gain = improves(value, memory["reference"], self.min_delta, self.mode)
        memory = {**memory, "reference": value} if is_gain else memory
        if memory["cooldown"]:
            return {**memory, "wait": 0, "cooldown": memory["cooldown"] - 1}
        return {**memory, "wait": 0 if is_gain else memory["wait"] + 1}

    def _say_last(self, memory: Memory, validation: Validation) -> Verdict:
        waited = memory["wait"]
        message = (
            f"{waited} of {self.checks} checks without improvement after reduction {memory['reductions']}, the last"
        )
        stop = validation.value is not None and waited >= self.checks
        return self.verdict(validation, message, stop=stop, wait=waited, limit=self.checks, unit="checks")

    def _progress(self, memory: Memory) -> str:
        if memory["cooldown"]:
            return f"learning rate x{figure(self.factor)} is new: {memory['cooldown']} checks do not count yet"
        return (
            f"{memory['wait']} of {self.checks} checks without improvement before learning rate x{figure(self.factor)}"
        )
