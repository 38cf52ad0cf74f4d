"""Policies in the shadow: they record where they would stop, and training goes on.

A policy that stops a run also ends the run's record, and no replay can see past that end. A run whose policies are in
the shadow trains to its budget, so any policy can later be replayed over the whole run.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from keepbest.stopping.policies.compose import Wrapper
from keepbest.stopping.policies.policy import Memory, Policy
from keepbest.stopping.validation import Validation, Verdict


@dataclass(frozen=True, kw_only=True)
class Shadow(Wrapper):
    """Say at which validation the policy inside would stop, and go on.

    Example:
        >>> from keepbest.stopping import Patience, Shadow, Validation
        >>> policy = Shadow(mode="max", policies=(Patience(mode="max", checks=1),))
        >>> state = policy.start()
        >>> for step, value in [(100, 0.6), (200, 0.5)]:
        ...     state, decision = policy.observe(state, Validation(step, value))
        >>> decision.stop, [verdict.would_stop for verdict in decision.verdicts]
        (False, [True])
    """

    name: ClassVar[str] = "shadow"

    def begin(self) -> Memory:
        return {**super().begin(), "stopped": None, "said": None}

    def judge(self, memory: Memory, validation: Validation) -> tuple[Memory, tuple[Verdict, ...]]:
        if memory["stopped"] is not None and validation.step > memory["said"]:
            return memory, (self.verdict(validation, f"would have stopped at step {memory['stopped']:,}"),)
        due = self.inner.due(memory["policies"][0])
        # As in `Policy.observe`: a run that had stopped at `due` would not have made this measurement.
        after, verdicts = super().judge(
            memory, validation if due is None or validation.step <= due else Validation(due)
        )
        stops = [verdict.at_step for verdict in verdicts if verdict.stop]
        is_said = {"stopped": min(stops), "said": validation.step} if stops else {}
        return {**memory, **after, **is_said}, tuple(_only_say(verdict, validation.step) for verdict in verdicts)

    def rest(self, memory: Memory, step: int) -> Memory:
        return {**super().rest(memory, step), "stopped": None, "said": None}

    def due(self, memory: Memory) -> int | None:
        return None

    def find_faults(self, validation: Validation) -> list[str]:
        return []

    @property
    def can_stop(self) -> bool:
        return False

    @property
    def awaits_progress(self) -> bool:
        return False

    @property
    def changes_rate(self) -> bool:
        return False

    @property
    def pausing(self) -> tuple[Policy, ...]:
        return ()

    @property
    def recovering(self) -> tuple[Policy, ...]:
        return ()

    @property
    def unshadowed(self) -> Policy:
        return self.inner.unshadowed


def _only_say(verdict: Verdict, step: int) -> Verdict:
    """Return the verdict as one that decides nothing, without the patience, which is not the run's."""
    where = "here" if verdict.at_step == step else f"at step {verdict.at_step:,}"
    message = f"would stop {where}: {verdict.message}" if verdict.stop else f"shadow: {verdict.message}"
    if verdict.rate_factor is not None:
        message = f"would set {verdict.message}"
    elif verdict.goes_back is not None:
        message = f"would go back: {verdict.goes_back}"
    elif verdict.rung is not None:
        message = f"would pause: {verdict.message}"
    would_stop = verdict.stop or verdict.would_stop
    return Verdict(verdict.policy, verdict.version, False, message, verdict.at_step, would_stop=would_stop)
