"""The run's last step as a part of its stopper."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from keepbest.stopping import AnyOf, MaxSteps, Policy, Require


def end_at(max_steps: int | None, policy: Policy) -> Policy:
    """Return the policy with the run's last step in it."""
    if max_steps is None:
        return policy
    return AnyOf(mode=policy.mode, policies=(policy, MaxSteps(mode=policy.mode, steps=max_steps)))


def move_end(stopper: Mapping[str, Any], steps: int) -> Mapping[str, Any]:
    """Return the stopper with its max_steps policies moved to `steps`, where one of them alone would end the run."""
    if stopper.get("name") == MaxSteps.name:
        return {**stopper, "params": {"steps": steps}}
    if stopper.get("name") in (AnyOf.name, Require.name):
        return {**stopper, "policies": [move_end(part, steps) for part in stopper.get("policies") or []]}
    return stopper
