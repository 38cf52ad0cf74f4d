"""Helpers that feed looks to a policy the way a trainer does."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

from keepbest.stopping import Decision, Policy, Validation


def looks_of(values: Iterable[float | None], every: int = 1) -> list[Validation]:
    return [Validation(step=every * i, value=value) for i, value in enumerate(values, start=1)]


def decisions_of(policy: Policy, looks: Iterable[Validation]) -> list[Decision]:
    """Feed looks until the policy stops, keeping the state as JSON between them as a checkpoint would."""
    kept, decisions = json.dumps(policy.start(), allow_nan=False), []
    for look in looks:
        state, decision = policy.observe(json.loads(kept), look)
        kept = json.dumps(state, allow_nan=False)
        decisions.append(decision)
        if decision.stop:
            break
    return decisions


def stop_of(policy: Policy, values: Sequence[float | None], every: int = 1) -> int | None:
    """Return the step at which the policy stops, or None."""
    last = decisions_of(policy, looks_of(values, every))[-1]
    return last.at_step if last.stop else None
