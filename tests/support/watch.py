"""Helpers that feed validations to a policy the way a trainer does."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

from keepbest.stopping import Decision, Policy, Validation


def validations_of(values: Iterable[float | None], every: int = 1) -> list[Validation]:
    return [Validation(step=every * i, value=value) for i, value in enumerate(values, start=1)]


def decisions_of(policy: Policy, validations: Iterable[Validation]) -> list[Decision]:
    """Feed validations until the policy stops, keeping the state as JSON between them as a checkpoint would."""
    kept, decisions = json.dumps(policy.start(), allow_nan=False), []
    for validation in validations:
        state, decision = policy.observe(json.loads(kept), validation)
        kept = json.dumps(state, allow_nan=False)
        decisions.append(decision)
        if decision.stop:
            break
    return decisions


def stop_of(policy: Policy, values: Sequence[float | None], every: int = 1) -> int | None:
    """Return the step at which the policy stops, or None."""
    last = decisions_of(policy, validations_of(values, every))[-1]
    return last.at_step if last.stop else None
