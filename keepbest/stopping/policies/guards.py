"""Guards: limits that stop a run at once, each with its own stop reason."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from keepbest.figures import figure
from keepbest.status import StopReason
from keepbest.stopping.policies.params import number, whole
from keepbest.stopping.policies.policy import Memory, Policy
from keepbest.stopping.validation import Validation, Verdict, is_better


@dataclass(frozen=True, kw_only=True)
class Guard(Policy):
    """A rule that needs no memory."""

    @property
    def awaits_progress(self) -> bool:
        return False


@dataclass(frozen=True, kw_only=True)
class StoppingThreshold(Guard):
    """Stop as soon as a value is strictly better than the target: good enough.

    Example:
        >>> from keepbest.stopping import StoppingThreshold, Validation
        >>> policy = StoppingThreshold(mode="max", threshold=0.9)
        >>> state = policy.start()
        >>> for step, value in enumerate([0.8, 0.95], start=1):
        ...     state, decision = policy.observe(state, Validation(step, value))
        >>> decision.stop, decision.best_value
        (True, 0.95)
    """

    name: ClassVar[str] = "stopping_threshold"
    reason: ClassVar[StopReason] = StopReason.STOPPING_THRESHOLD

    threshold: float = number("the target")

    def judge(self, memory: Memory, validation: Validation) -> tuple[Memory, tuple[Verdict, ...]]:
        if is_better(validation.merit, self.threshold, self.mode):
            return memory, (
                self.verdict(validation, f"better than the target {figure(self.threshold, 10)}", stop=True),
            )
        return memory, (self.verdict(validation, f"target {figure(self.threshold, 10)} not reached"),)


@dataclass(frozen=True, kw_only=True)
class DivergenceThreshold(Guard):
    """Stop as soon as a value is strictly worse than the limit: past saving. An infinity on the bad side counts.

    Example:
        >>> from keepbest.stopping import DivergenceThreshold, Validation
        >>> policy = DivergenceThreshold(mode="min", threshold=10)
        >>> state = policy.start()
        >>> for step, value in enumerate([0.5, 11.0], start=1):
        ...     state, decision = policy.observe(state, Validation(step, value))
        >>> decision.stop, decision.best_value
        (True, 0.5)
    """

    name: ClassVar[str] = "divergence_threshold"
    reason: ClassVar[StopReason] = StopReason.DIVERGENCE_THRESHOLD

    threshold: float = number("the limit")

    def judge(self, memory: Memory, validation: Validation) -> tuple[Memory, tuple[Verdict, ...]]:
        value, limit = validation.value, self.threshold
        if value is not None and (value < limit if self.mode == "max" else value > limit):
            return memory, (self.verdict(validation, f"worse than the limit {figure(limit, 10)}", stop=True),)
        return memory, (self.verdict(validation, f"limit {figure(limit, 10)} not crossed"),)


@dataclass(frozen=True, kw_only=True)
class CheckFinite(Guard):
    """Stop at the first validation whose value, loss or network is NaN or infinite.

    Example:
        >>> from keepbest.stopping import CheckFinite, Validation
        >>> policy = CheckFinite(mode="min")
        >>> state = policy.start()
        >>> for step, value in enumerate([0.5, float("nan")], start=1):
        ...     state, decision = policy.observe(state, Validation(step, value))
        >>> decision.stop, decision.best_value
        (True, 0.5)
    """

    name: ClassVar[str] = "check_finite"
    reason: ClassVar[StopReason] = StopReason.NON_FINITE

    def judge(self, memory: Memory, validation: Validation) -> tuple[Memory, tuple[Verdict, ...]]:
        for what, value in (("value", validation.value), ("training loss", validation.train)):
            if value is not None and not math.isfinite(value):
                return memory, (self.verdict(validation, f"the {what} is {value}", stop=True),)
        if validation.faults:
            return memory, (self.verdict(validation, validation.faults[0], stop=True),)
        return memory, (self.verdict(validation, "finite"),)


@dataclass(frozen=True, kw_only=True)
class MaxSteps(Guard):
    """Stop at a step, with or without a validation there.

    Example:
        >>> from keepbest.stopping import MaxSteps, Validation
        >>> policy = MaxSteps(mode="max", steps=200)
        >>> state = policy.start()
        >>> for step, value in [(100, 0.5), (200, 0.6)]:
        ...     state, decision = policy.observe(state, Validation(step, value))
        >>> decision.stop, decision.best_step
        (True, 200)
    """

    name: ClassVar[str] = "max_steps"
    reason: ClassVar[StopReason] = StopReason.MAX_STEPS

    steps: int = whole("the last step")

    def judge(self, memory: Memory, validation: Validation) -> tuple[Memory, tuple[Verdict, ...]]:
        if validation.step >= self.steps:
            return memory, (self.verdict(validation, f"all {self.steps:,} steps done", stop=True),)
        return memory, (self.verdict(validation, f"step {validation.step:,} of {self.steps:,}"),)

    def due(self, memory: Memory) -> int | None:
        return self.steps


@dataclass(frozen=True, kw_only=True)
class MaxSeconds(Guard):
    """Stop at the first validation at which the run has trained this long, over all its attempts.

    Example:
        >>> from keepbest.stopping import MaxSeconds, Validation
        >>> policy = MaxSeconds(mode="max", seconds=60)
        >>> state = policy.start()
        >>> for step, value in [(100, 0.5), (200, 0.6)]:
        ...     state, decision = policy.observe(state, Validation(step, value, seconds=step / 3))
        >>> decision.stop, decision.best_step
        (True, 200)
    """

    name: ClassVar[str] = "max_seconds"
    reason: ClassVar[StopReason] = StopReason.MAX_SECONDS
    needs: ClassVar[tuple[str, ...]] = ("seconds",)

    seconds: float = number("the time budget", above=0)

    def judge(self, memory: Memory, validation: Validation) -> tuple[Memory, tuple[Verdict, ...]]:
        if validation.seconds is None:
            return memory, (self.verdict(validation, f"unknown time of {figure(self.seconds)} s"),)
        message = f"{validation.seconds:.0f} s of {figure(self.seconds)} s"
        if validation.seconds < self.seconds:
            return memory, (self.verdict(validation, message),)
        return memory, (self.verdict(validation, f"{message} spent", stop=True),)
