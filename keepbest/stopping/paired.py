"""Patience that counts only gains that the same examples show one by one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from keepbest.statistics import mcnemar_exact
from keepbest.status import StopReason
from keepbest.stopping.correct import Correct
from keepbest.stopping.look import Look, Verdict, is_better
from keepbest.stopping.noise import exceeds, standard_error
from keepbest.stopping.params import number, whole
from keepbest.stopping.patience import DEFAULT_CHECKS
from keepbest.stopping.policy import Memory, Policy


@dataclass(frozen=True, kw_only=True)
class PairedNoise(Policy):
    """Stop when so many looks in a row got no more of the same examples right than chance explains.

    A better value is a gain where McNemar's exact test, one-sided, against the reference has p < `alpha`. Where either
    look does not say which examples were right, it is one above `z` standard errors, as in noise_aware.
    """

    name: ClassVar[str] = "paired_noise"
    reason: ClassVar[StopReason] = StopReason.PATIENCE
    needs: ClassVar[tuple[str, ...]] = ("correct",)

    checks: int = whole("looks without a gain above the noise", default=DEFAULT_CHECKS)
    alpha: float = number("chance that a gain must stay below", above=0, below=1, default=0.05)
    z: float = number("standard errors that a gain must exceed where no pairs are known", at_least=0, default=1.0)
    scale: float = number("the value of all examples: 1, or 100 for percent", above=0, default=1.0)

    def begin(self) -> Memory:
        return {"reference": None, "margin": 0.0, "correct": None, "wait": 0}

    def judge(self, memory: Memory, look: Look) -> tuple[Memory, tuple[Verdict, ...]]:
        test = ""
        if look.merit is not None:
            is_gain, test = self._weigh(memory, look.merit, look.correct)
            memory = self._refer(look.merit, look) if is_gain else {**memory, "wait": memory["wait"] + 1}
        wait = memory["wait"]
        stop = look.value is not None and wait >= self.checks
        message = f"no gain above the noise for {wait} of {self.checks} checks{test}"
        left = max(0, self.checks - wait)
        return memory, (self.verdict(look, message, stop=stop, wait=wait, patience_left=left, unit="checks"),)

    def rest(self, memory: Memory, step: int) -> Memory:
        return {**memory, "wait": 0}

    def _weigh(self, memory: Memory, value: float, correct: Correct | None) -> tuple[bool, str]:
        """Return whether `value` is a gain over the reference, and in words how that was found."""
        if memory["reference"] is None:
            return is_better(value, None, self.mode), ""
        before = Correct.from_json(memory["correct"]) if memory["correct"] else None
        if correct is None or before is None or correct.n != before.n:
            is_gain = exceeds(value, memory["reference"], memory["margin"], self.mode)
            return is_gain, f" (unpaired: {_say_missing(correct, before)})"
        right, wrong = correct.count_gains(before)
        p = mcnemar_exact(right, wrong).greater
        is_gain = p < self.alpha and is_better(value, memory["reference"], self.mode)
        return is_gain, f" ({right} newly right, {wrong} newly wrong, p = {p:.2g})"

    def _refer(self, value: float, look: Look) -> Memory:
        margin = self.z * self.scale * standard_error(value / self.scale, look.n)
        correct = look.correct.to_json() if look.correct else None
        return {"reference": value, "margin": margin, "correct": correct, "wait": 0}


def _say_missing(correct: Correct | None, before: Correct | None) -> str:
    if correct is None:
        return "the look does not say which examples were right"
    if before is None:
        return "the reference does not say which examples were right"
    return f"{correct.n} examples here, {before.n} in the reference"
