"""Patience: stop when no validation has been better for a number of validations, or of steps."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

from keepbest.errors import InvalidInput
from keepbest.status import StopReason
from keepbest.stopping.policies.params import number, switch, whole
from keepbest.stopping.policies.policy import Memory, Policy
from keepbest.stopping.validation import Validation, Verdict, improves

DEFAULT_CHECKS = 10


@dataclass(frozen=True, kw_only=True)
class Patience(Policy):
    """Stop when the value has not become better for so many validations (`checks`), or for so many `steps`.

    With `checks` the run stops at the validation where the wait reaches `checks` (the rule of Keras and Lightning).
    With `steps` the run stops as soon as more than `steps` have passed since the last improvement, even between two
    validations (`every_step`, as in Hvass' tutorial 4). `every_step=false` stops only at validations, and
    `inclusive=true` stops at exactly `steps` (tf.estimator's rule).

    Example:
        >>> from keepbest.stopping import Patience, Validation
        >>> policy = Patience(mode="max", checks=2)
        >>> state = policy.start()
        >>> for step, value in enumerate([0.5, 0.6, 0.6, 0.6], start=1):
        ...     state, decision = policy.observe(state, Validation(step, value))
        >>> decision.stop, decision.best_step
        (True, 2)
    """

    name: ClassVar[str] = "patience"
    reason: ClassVar[StopReason] = StopReason.PATIENCE

    checks: int | None = whole("validations without improvement", default=None)
    steps: int | None = whole("steps without improvement, instead of checks", default=None)
    epochs: float | None = number(
        "epochs without improvement, instead of checks; a worker, which knows the data, turns them into steps",
        above=0,
        is_later=True,
        default=None,
    )
    min_delta: float = number("a smaller gain is no improvement", at_least=0, default=0.0)
    baseline: float | None = number("only a value better than this ends the wait", default=None)
    start_from: int = whole("validations before this step do not count", at_least=0, default=0)
    smoothing: float = number("weight of the past in a debiased moving average", at_least=0, below=1, default=0.0)
    every_step: bool | None = switch("with steps: stop between validations too (the default)", default=None)
    inclusive: bool = switch("with steps: stop at exactly that many, not one later", default=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.checks is not None and self.steps is not None:
            raise InvalidInput("Patience counts in checks or in steps, not in both.", field="steps")
        if self.checks is not None and self.epochs is not None:
            raise InvalidInput("Patience counts in checks or in epochs, not in both.", field="epochs")
        if self.steps is None and self.epochs is not None:
            return
        if self.steps is None:
            self._settle_checks()
        elif self.every_step is None:
            object.__setattr__(self, "every_step", True)

    def begin(self) -> Memory:
        return {"reference": self.baseline, "reference_step": None, "wait": 0, "average": 0.0, "terms": 0}

    def judge(self, memory: Memory, validation: Validation) -> tuple[Memory, tuple[Verdict, ...]]:
        if self.steps is None and self.epochs is not None:
            raise InvalidInput(
                "Only a worker knows from the data how many steps an epoch has.",
                field="epochs",
                hint="Count in steps or in checks: patience(steps=1000), patience(checks=10).",
            )
        if validation.merit is not None and validation.step >= self.start_from:
            memory = self._count(memory, validation.step, validation.merit)
        return memory, (self._verdict(memory, validation),)

    def due(self, memory: Memory) -> int | None:
        if self.steps is None or not self.every_step:
            return None
        return self._since(memory) + self.steps + (0 if self.inclusive else 1)

    def rest(self, memory: Memory, step: int) -> Memory:
        return {**memory, "reference_step": step, "wait": 0}

    def _settle_checks(self) -> None:
        for name in ("every_step", "inclusive"):
            if getattr(self, name):
                raise InvalidInput(f"{name} needs patience in steps; checks are counted at validations.", field=name)
        object.__setattr__(self, "every_step", False)
        if self.checks is None:
            object.__setattr__(self, "checks", DEFAULT_CHECKS)

    def _count(self, memory: Memory, step: int, value: float) -> Memory:
        memory, measure = self._smooth(memory, value)
        if improves(measure, memory["reference"], self.min_delta, self.mode):
            return {**memory, "reference": measure, "reference_step": step, "wait": 0}
        return {**memory, "wait": memory["wait"] + 1}

    def _smooth(self, memory: Memory, value: float) -> tuple[Memory, float]:
        """Return s_t / (1 - b^t) with s_t = b s_(t-1) + (1 - b) v_t; a non-finite value leaves the average alone."""
        if not self.smoothing or not math.isfinite(value):
            return memory, value
        average = self.smoothing * memory["average"] + (1 - self.smoothing) * value
        terms = memory["terms"] + 1
        return {**memory, "average": average, "terms": terms}, average / (1 - self.smoothing**terms)

    def _since(self, memory: Memory) -> int:
        return max(memory["reference_step"] or 0, self.start_from)

    def _verdict(self, memory: Memory, validation: Validation) -> Verdict:
        if self.steps is None:
            waited, checks = memory["wait"], self.checks or DEFAULT_CHECKS
            return self._say(validation, validation.value is not None and waited >= checks, waited, checks, "checks")
        waited = max(0, validation.step - self._since(memory))
        stop = waited >= self.steps if self.inclusive else waited > self.steps
        if validation.value is None and not self.every_step:
            stop = False
        return self._say(validation, stop, waited, self.steps, "steps")

    def _say(self, validation: Validation, stop: bool, waited: int, limit: int, unit: Any) -> Verdict:
        if stop:
            message = f"no improvement for {waited:,} {unit} (patience {limit:,} {unit})"
        else:
            message = f"{waited:,} of {limit:,} {unit} without improvement"
        return self.verdict(validation, message, stop=stop, wait=waited, limit=limit, unit=unit)
