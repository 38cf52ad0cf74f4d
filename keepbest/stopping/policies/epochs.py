"""Turns epochs in a policy into steps, once the number of steps in an epoch is known."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from keepbest.stopping.policies.patience import Patience


def counts_epochs(spec: Mapping[str, Any]) -> bool:
    """Whether a policy in its JSON form, or a policy inside it, counts in epochs."""
    own = spec["name"] == Patience.name and (spec.get("params") or {}).get("epochs") is not None
    return own or any(counts_epochs(part) for part in spec.get("policies") or [])


def resolve_epochs(spec: Mapping[str, Any], steps_per_epoch: int) -> dict[str, Any]:
    """Return the JSON form with each count of epochs also written in steps.

    Like Keras, such patience stops at a validation, as soon as so many epochs have passed since the best validation.
    """
    params = dict(spec.get("params") or {})
    if spec["name"] == Patience.name and params.get("epochs") is not None:
        params["steps"] = to_steps(params["epochs"], steps_per_epoch)
        params |= {"every_step": False, "inclusive": True}
    parts = [resolve_epochs(part, steps_per_epoch) for part in spec.get("policies") or []]
    return {**spec, "params": params, "policies": parts}


def to_steps(epochs: float, steps_per_epoch: int) -> int:
    """Return the steps of so many epochs, at least 1."""
    return max(1, round(epochs * steps_per_epoch))
