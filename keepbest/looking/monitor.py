"""The metric that is watched: which way it gets better, and what to say where it is not there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from keepbest.errors import InvalidInput, MetricMissing
from keepbest.stopping import Mode


def direction_of(model: Any, monitor: str) -> Mode:
    """Return "min" for a loss, else the direction that the Keras metric declares.

    Raises:
        InvalidInput: The metric declares none; nothing is guessed from its name.
    """
    name = monitor.removeprefix("val_")
    if name == "loss":
        return "min"
    directions = {metric.name: getattr(metric, "_direction", None) for metric in metrics_of(model)}
    direction = directions.get(name)
    if direction not in ("up", "down"):
        raise InvalidInput(
            f"Keras does not say which way {monitor!r} gets better.",
            field="mode",
            hint="Say mode='max' or mode='min'.",
        )
    return "max" if direction == "up" else "min"


def metrics_of(model: Any) -> list[Any]:
    """Return the metrics that a model was compiled with, those inside others too."""
    found = []
    for metric in model.metrics:
        found.extend([metric, *getattr(metric, "metrics", [])])
    return found


def missing_metric(monitor: str, logs: Mapping[str, Any], what: str) -> MetricMissing:
    """Return the error that names the metrics there are."""
    names = ", ".join(sorted(logs)) or "none"
    hint = "Name one of them as monitor."
    if monitor.startswith("val_") and not any(name.startswith("val_") for name in logs):
        hint = "Give fit() validation_data: without it nothing is validated."
    return MetricMissing(
        f"{what}: {monitor!r} is not among the metrics there are: {names}.", field="monitor", hint=hint
    )
