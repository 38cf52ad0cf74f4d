"""Compositions of policies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from keepbest.errors import InvalidInput
from keepbest.stopping.look import Look, Verdict
from keepbest.stopping.policy import Memory, Policy


@dataclass(frozen=True, kw_only=True)
class AnyOf(Policy):
    """Stop as soon as one of the policies stops; the earliest step counts, then the order in which they are listed."""

    name: ClassVar[str] = "any_of"

    policies: tuple[Policy, ...]

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.policies:
            raise InvalidInput("any_of needs at least one policy.", field="policies")
        if any(policy.mode != self.mode for policy in self.policies):
            raise InvalidInput("All policies of one stopper watch in the same mode.", field="policies")

    def begin(self) -> Memory:
        return {"policies": [policy.begin() for policy in self.policies]}

    def judge(self, memory: Memory, look: Look) -> tuple[Memory, tuple[Verdict, ...]]:
        judged = [policy.judge(part, look) for policy, part in zip(self.policies, memory["policies"], strict=True)]
        verdicts = tuple(verdict for _, verdicts in judged for verdict in verdicts)
        return {"policies": [part for part, _ in judged]}, verdicts

    def due(self, memory: Memory) -> int | None:
        dues = (policy.due(part) for policy, part in zip(self.policies, memory["policies"], strict=True))
        return min((due for due in dues if due is not None), default=None)

    def rest(self, memory: Memory, step: int) -> Memory:
        parts = zip(self.policies, memory["policies"], strict=True)
        return {"policies": [policy.rest(part, step) for policy, part in parts]}

    @property
    def parts(self) -> tuple[Policy, ...]:
        return self.policies
