"""Compositions of policies."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from keepbest.errors import InvalidInput
from keepbest.stopping.policies.policy import Memory, Policy
from keepbest.stopping.validation import Recovery, Validation, Verdict

Judged = list[tuple[Memory, tuple[Verdict, ...]]]


@dataclass(frozen=True, kw_only=True)
class Composition(Policy):
    """Several policies over the same validations, each with its own memory."""

    policies: tuple[Policy, ...]

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.policies:
            raise InvalidInput(f"{self.name} needs at least one policy.", field="policies")
        if any(policy.mode != self.mode for policy in self.policies):
            raise InvalidInput("All policies of one stopper watch in the same mode.", field="policies")
        if len(self.recovering) > 1:
            hint = 'Name all signs in one: recover(on="non_finite | spike(z=20)")'
            raise InvalidInput("A stopper goes back by one recover only.", field="policies", hint=hint)

    def begin(self) -> Memory:
        return {"policies": [policy.begin() for policy in self.policies]}

    def judge(self, memory: Memory, validation: Validation) -> tuple[Memory, tuple[Verdict, ...]]:
        judged = [
            policy.judge(part, validation) for policy, part in zip(self.policies, memory["policies"], strict=True)
        ]
        return {"policies": [part for part, _ in judged]}, self.weigh(judged)

    def weigh(self, judged: Judged) -> tuple[Verdict, ...]:
        """Return the verdicts of all parts as this composition takes them; each verdict that stops ends the run."""
        return tuple(verdict for _, verdicts in judged for verdict in verdicts)

    def rest(self, memory: Memory, step: int) -> Memory:
        parts = zip(self.policies, memory["policies"], strict=True)
        return {"policies": [policy.rest(part, step) for policy, part in parts]}

    def carry(self, past: Memory, present: Memory) -> Memory:
        parts = zip(self.policies, past["policies"], present["policies"], strict=True)
        return {**past, "policies": [policy.carry(before, now) for policy, before, now in parts]}

    def note(self, memory: Memory, recovery: Recovery) -> Memory:
        parts = zip(self.policies, memory["policies"], strict=True)
        return {**memory, "policies": [policy.note(part, recovery) for policy, part in parts]}

    def recoveries(self, memory: Memory) -> tuple[Recovery, ...]:
        parts = zip(self.policies, memory["policies"], strict=True)
        return tuple(recovery for policy, part in parts for recovery in policy.recoveries(part))

    def used(self, memory: Memory) -> frozenset[int]:
        parts = zip(self.policies, memory["policies"], strict=True)
        return frozenset[int]().union(*(policy.used(part) for policy, part in parts))

    def dues(self, memory: Memory) -> list[int]:
        """Return the due steps of the parts that have one."""
        dues = (policy.due(part) for policy, part in zip(self.policies, memory["policies"], strict=True))
        return [due for due in dues if due is not None]

    @property
    def parts(self) -> tuple[Policy, ...]:
        return self.policies

    @property
    def can_stop(self) -> bool:
        return any(policy.can_stop for policy in self.policies)

    @property
    def unshadowed(self) -> Policy:
        return replace(self, policies=tuple(policy.unshadowed for policy in self.policies))


@dataclass(frozen=True, kw_only=True)
class AnyOf(Composition):
    """Stop as soon as one of the policies stops. If several stop, the earliest step counts, then the listed order.

    Example:
        >>> from keepbest.stopping import AnyOf, MaxSteps, Patience, Validation
        >>> policy = AnyOf(mode="max", policies=(Patience(mode="max", checks=9), MaxSteps(mode="max", steps=200)))
        >>> state = policy.start()
        >>> for step, value in [(100, 0.5), (200, 0.6)]:
        ...     state, decision = policy.observe(state, Validation(step, value))
        >>> decision.stop, str(decision.reason)
        (True, 'max_steps')
    """

    name: ClassVar[str] = "any_of"

    def due(self, memory: Memory) -> int | None:
        return min(self.dues(memory), default=None)


@dataclass(frozen=True, kw_only=True)
class AllOf(Composition):
    """Stop at the first validation where all of the policies would stop; the first of them gives the reason.

    A policy that alone would have stopped goes on judging, and may find that training has become better again.

    Example:
        >>> from keepbest.stopping import AllOf, MaxSteps, Patience, Validation
        >>> policy = AllOf(mode="max", policies=(Patience(mode="max", checks=1), MaxSteps(mode="max", steps=300)))
        >>> state = policy.start()
        >>> for step, value in [(100, 0.6), (200, 0.5)]:
        ...     state, decision = policy.observe(state, Validation(step, value))
        >>> decision.stop, decision.best_step
        (False, 100)
    """

    name: ClassVar[str] = "all_of"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.recovering:
            message = "recover goes back at once, and cannot wait for the policies beside it in all_of."
            raise InvalidInput(message, field="policies", hint="Join it with |: a & b | recover()")
        if not all(policy.can_stop for policy in self.policies):
            hint = "Join the policy that never stops with |: a & b | shadow(c)"
            message = "One of the policies never stops a run, so all_of would never stop either."
            raise InvalidInput(message, field="policies", hint=hint)

    def weigh(self, judged: Judged) -> tuple[Verdict, ...]:
        lines = super().weigh(judged)
        if all(any(verdict.stop for verdict in verdicts) for _, verdicts in judged):
            return lines
        return tuple(
            replace(verdict, stop=False, reason=None, message=f"{verdict.message}, waits for the others")
            if verdict.stop
            else verdict
            for verdict in lines
        )

    def due(self, memory: Memory) -> int | None:
        dues = self.dues(memory)
        return max(dues) if len(dues) == len(self.policies) else None


@dataclass(frozen=True, kw_only=True)
class Wrapper(Composition):
    """A policy that holds one other, and changes what its verdicts mean."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.policies) > 1:
            raise InvalidInput(f"{self.name} holds one policy.", field="policies", hint="Join them with any_of.")

    @property
    def inner(self) -> Policy:
        return self.policies[0]
