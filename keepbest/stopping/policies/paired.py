"""Patience that counts only gains which a test over the single examples confirms."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from keepbest.status import StopReason
from keepbest.stopping import pairs
from keepbest.stopping.correct import Correct
from keepbest.stopping.losses import Losses
from keepbest.stopping.pairs import SILENT, Pairs, Unpaired
from keepbest.stopping.policies.noise import exceeds, standard_error
from keepbest.stopping.policies.params import number, whole
from keepbest.stopping.policies.patience import DEFAULT_CHECKS
from keepbest.stopping.policies.policy import Memory, Policy
from keepbest.stopping.validation import Validation, Verdict, is_better


@dataclass(frozen=True, kw_only=True)
class PairedNoise(Policy):
    """Stop when so many validations in a row were not better, example by example, by more than chance explains.

    A better value is a gain over the reference if McNemar's exact one-sided test, over which examples were right, gives
    p < `alpha`; or, for losses, if the `alpha` quantile of the bootstrapped mean gain is above 0. If one of the two
    validations says nothing of its examples, a gain must exceed `z` standard errors, as in noise_aware.

    Example:
        >>> from keepbest.stopping import PairedNoise, Validation, read_pairs
        >>> policy = PairedNoise(mode="max", checks=1)
        >>> first, second = read_pairs([True, True, False, False], None), read_pairs([True, True, True, False], None)
        >>> state, _ = policy.observe(policy.start(), Validation(1, 0.50, n=4, pairs=first))
        >>> state, decision = policy.observe(state, Validation(2, 0.75, n=4, pairs=second))
        >>> decision.stop, decision.best_step
        (True, 2)
    """

    name: ClassVar[str] = "paired_noise"
    reason: ClassVar[StopReason] = StopReason.PATIENCE
    needs: ClassVar[tuple[str, ...]] = ("pairs",)

    checks: int = whole("validations without a gain above the noise", default=DEFAULT_CHECKS)
    alpha: float = number("chance that a gain must stay below", above=0, below=1, default=0.05)
    z: float = number("standard errors that a gain must exceed where no pairs are known", at_least=0, default=1.0)
    scale: float = number("the value of all examples: 1, or 100 for percent", above=0, default=1.0)

    initial: ClassVar[Memory] = {"reference": None, "margin": 0.0, **pairs.to_json(None), "wait": 0}
    renewed: ClassVar[Memory] = {"wait": 0}

    def judge(self, memory: Memory, validation: Validation) -> tuple[Memory, tuple[Verdict, ...]]:
        test = ""
        if validation.merit is not None:
            is_gain, test = self._weigh(memory, validation.merit, validation.pairs)
            if is_gain:
                margin = self.z * self.scale * standard_error(validation.merit / self.scale, validation.n)
                memory = {"reference": validation.merit, "margin": margin, **pairs.to_json(validation.pairs), "wait": 0}
            else:
                memory = {**memory, "wait": memory["wait"] + 1}
        wait = memory["wait"]
        stop = validation.value is not None and wait >= self.checks
        message = f"no gain above the noise for {wait} of {self.checks} checks{test}"
        return memory, (self.verdict(validation, message, stop=stop, wait=wait, limit=self.checks, unit="checks"),)

    def _weigh(self, memory: Memory, value: float, now: Pairs | None) -> tuple[bool, str]:
        """Return whether `value` is a gain over the reference, and the test that found it in words."""
        if isinstance(now, Losses) and not now.is_finite:
            return False, " (not every example's loss is finite)"
        if memory["reference"] is None:
            return is_better(value, None, self.mode), ""
        compare = self._compare(now, pairs.from_json(memory))
        if isinstance(compare, Unpaired):
            is_gain = exceeds(value, memory["reference"], memory["margin"], self.mode)
            return is_gain, f" (unpaired: {compare.why})"
        return compare[0] and is_better(value, memory["reference"], self.mode), f" ({compare[1]})"

    def _compare(self, now: Pairs | None, before: Correct | Losses | None) -> tuple[bool, str] | Unpaired:
        """Return whether the examples alone show a gain, and the same in words; or why they cannot be compared."""
        if now is None or isinstance(now, Unpaired):
            return now or SILENT
        if before is None:
            return Unpaired("the reference says nothing of its examples")
        if now.n != before.n:
            return Unpaired(f"{now.n} examples here, {before.n} in the reference")
        if isinstance(now, Losses) and isinstance(before, Losses):
            return now.weigh(before, self.alpha, is_higher_better=self.mode == "max")
        if isinstance(now, Correct) and isinstance(before, Correct):
            return now.weigh(before, self.alpha)
        return Unpaired("one validation says which examples were right, the other the loss of each example")
