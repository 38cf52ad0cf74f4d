"""Prechelt's three criteria: generalization loss, progress quotient, upcrossing.

L. Prechelt, "Early Stopping - But When?", in Neural Networks: Tricks of the Trade, 1998. The error E, never negative,
is the distance of the value from a perfect model's. Prechelt counts epochs, these policies count validations.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from keepbest.figures import figure
from keepbest.status import StopReason
from keepbest.stopping.policies.params import number, whole
from keepbest.stopping.policies.policy import Memory, Policy
from keepbest.stopping.validation import Mode, Validation, Verdict, is_better

STRIP = 5
_PERFECT = "the value of a perfect model: 1 in mode max and 0 in mode min, unless given"


@dataclass(frozen=True, kw_only=True)
class GeneralizationLoss(Policy):
    """Stop at the first validation whose error is more than `alpha` percent above the lowest so far (GL).

    The limit is relative: at 98 % accuracy a tenth of a point is 5 %. Use it on a loss, or with a large `alpha`.

    Example:
        >>> from keepbest.stopping import GeneralizationLoss, Validation
        >>> policy = GeneralizationLoss(mode="min", alpha=5)
        >>> state = policy.start()
        >>> for step, value in enumerate([0.50, 0.40, 0.43], start=1):
        ...     state, decision = policy.observe(state, Validation(step, value))
        >>> decision.stop, decision.best_step
        (True, 2)
    """

    name: ClassVar[str] = "generalization_loss"
    reason: ClassVar[StopReason] = StopReason.GENERALIZATION_LOSS

    alpha: float = number("percent above the lowest error", at_least=0, default=5.0)
    perfect: float | None = number(_PERFECT, default=None)

    initial: ClassVar[Memory] = {"lowest": None}
    renewed: ClassVar[Memory] = initial

    def judge(self, memory: Memory, validation: Validation) -> tuple[Memory, tuple[Verdict, ...]]:
        error = find_error(validation.merit, self.mode, self.perfect)
        if error is None:
            return memory, (self.verdict(validation, "no error to compare"),)
        lowest = _lower(error, memory["lowest"])
        loss = loss_of(error, lowest)
        message = f"error {figure(loss, 4)} % above the lowest (limit {figure(self.alpha)} %)"
        return {"lowest": lowest}, (self.verdict(validation, message, stop=loss > self.alpha),)


@dataclass(frozen=True, kw_only=True)
class ProgressQuotient(Policy):
    """Stop at the end of a strip of validations if the generalization loss is over `alpha` times the progress (PQ).

    Progress is how far the strip's mean training loss lies above its lowest, in thousandths. A strip in which a
    training loss is missing never stops the run.

    Example:
        >>> from keepbest.stopping import ProgressQuotient, Validation
        >>> policy = ProgressQuotient(mode="min", alpha=0.75, strip=2)
        >>> state = policy.start()
        >>> for step, value in enumerate([0.50, 0.40, 0.50, 0.60], start=1):
        ...     state, decision = policy.observe(state, Validation(step, value, train=0.3))
        >>> decision.stop, decision.best_step
        (True, 2)
    """

    name: ClassVar[str] = "progress_quotient"
    reason: ClassVar[StopReason] = StopReason.PROGRESS_QUOTIENT
    needs: ClassVar[tuple[str, ...]] = ("train",)

    alpha: float = number("generalization loss over progress", at_least=0, default=0.75)
    strip: int = whole("validations in a strip", default=STRIP)
    perfect: float | None = number(_PERFECT, default=None)

    initial: ClassVar[Memory] = {"lowest": None, "losses": []}
    renewed: ClassVar[Memory] = initial

    def judge(self, memory: Memory, validation: Validation) -> tuple[Memory, tuple[Verdict, ...]]:
        if validation.value is None:
            return memory, (self.verdict(validation, "no value"),)
        error = find_error(validation.merit, self.mode, self.perfect)
        lowest = memory["lowest"] if error is None else _lower(error, memory["lowest"])
        is_usable = validation.train is not None and 0 <= validation.train < math.inf
        losses = [*memory["losses"], validation.train if is_usable else None]
        if len(losses) < self.strip:
            verdict = self.verdict(validation, f"validation {len(losses)} of {self.strip} in this strip")
        else:
            verdict = self._at_end(validation, error, lowest, losses)
            losses = []
        return {"lowest": lowest, "losses": losses}, (verdict,)

    def _at_end(
        self, validation: Validation, error: float | None, lowest: float | None, losses: list[float | None]
    ) -> Verdict:
        progress = find_progress([loss for loss in losses if loss is not None])
        if error is None or lowest is None or progress is None or None in losses:
            return self.verdict(validation, "this strip lacks a training loss or an error")
        loss = loss_of(error, lowest)
        quotient = loss / progress if progress > 0 else (math.inf if loss > 0 else 0.0)
        message = f"generalization loss {figure(loss, 4)} over progress {figure(progress, 4)} is {figure(quotient, 4)}"
        return self.verdict(validation, f"{message} (limit {figure(self.alpha)})", stop=quotient > self.alpha)


@dataclass(frozen=True, kw_only=True)
class Upcrossing(Policy):
    """Stop when the value got worse from the end of one strip of validations to the next, `times` times in a row (UP).

    Only the last validations of two strips are compared.

    Example:
        >>> from keepbest.stopping import Upcrossing, Validation
        >>> policy = Upcrossing(mode="min", times=2, strip=1)
        >>> state = policy.start()
        >>> for step, value in enumerate([0.50, 0.51, 0.52], start=1):
        ...     state, decision = policy.observe(state, Validation(step, value))
        >>> decision.stop, decision.best_step
        (True, 1)
    """

    name: ClassVar[str] = "upcrossing"
    reason: ClassVar[StopReason] = StopReason.UPCROSSING

    times: int = whole("strips in a row that got worse", default=4)
    strip: int = whole("validations in a strip", default=STRIP)

    initial: ClassVar[Memory] = {"validations": 0, "before": None, "rises": 0}
    renewed: ClassVar[Memory] = initial

    def judge(self, memory: Memory, validation: Validation) -> tuple[Memory, tuple[Verdict, ...]]:
        if validation.merit is not None:
            memory = self._count(memory, validation.merit)
        rises = memory["rises"]
        message = f"worse {rises} of {self.times} times in a row, each {self.strip} validations"
        at_end = validation.value is not None and memory["validations"] == 0
        return memory, (self.verdict(validation, message, stop=at_end and rises >= self.times),)

    def _count(self, memory: Memory, value: float) -> Memory:
        validations = memory["validations"] + 1
        if validations < self.strip:
            return {**memory, "validations": validations}
        if not math.isfinite(value):
            return self.begin()
        before = memory["before"]
        is_worse = before is not None and is_better(before, value, self.mode)
        return {"validations": 0, "before": value, "rises": memory["rises"] + 1 if is_worse else 0}


def find_error(value: float | None, mode: Mode, perfect: float | None) -> float | None:
    """Return the distance from a perfect model's value; None if the value is not finite, or better than perfect."""
    if value is None or not math.isfinite(value):
        return None
    ideal = perfect if perfect is not None else (1.0 if mode == "max" else 0.0)
    error = ideal - value if mode == "max" else value - ideal
    return error if 0 <= error < math.inf else None


def _lower(error: float, lowest: float | None) -> float:
    return error if lowest is None else min(error, lowest)


def loss_of(error: float, lowest: float) -> float:
    """Return GL = 100 (E / E_opt - 1) in percent; infinite if the lowest error is 0 and this one is not."""
    if lowest == 0:
        return math.inf if error > 0 else 0.0
    return 100 * (error / lowest - 1)


def find_progress(losses: Sequence[float]) -> float | None:
    """Return P_k = 1000 (mean / lowest - 1) of a strip's training losses; None if only the lowest of them is 0."""
    lowest = min(losses, default=0.0)
    if lowest == 0:
        return None if any(losses) or not losses else 0.0
    return max(0.0, 1000 * (sum(loss / lowest for loss in losses) / len(losses) - 1))
