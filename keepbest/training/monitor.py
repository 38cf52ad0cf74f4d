"""The metric that is watched: which way it gets better, and what to say where it is not there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Any

from keepbest.errors import InvalidInput, MetricMissing
from keepbest.stopping import Mode, find_mode


def direction_of(model: Any, monitor: str) -> Mode:
    """Return "min" for a loss, else the direction that the Keras metric declares.

    That of a part of a vector (`val_f1[2]`) is the vector's; that of one of several outputs (`val_out1_accuracy`) the
    metric's of that output. What the model was not compiled with, a callback's, is taken for Keras' of that name.

    Raises:
        InvalidInput: Neither declares one.
    """
    name = monitor.removeprefix("val_").partition("[")[0]
    names = {_direction(metric) for logged, metric in _logged(model) if logged == name}
    if names in ({"up"}, {"down"}, {"loss"}):
        return "max" if names == {"up"} else "min"
    by_name = find_mode(monitor) if names <= {None} else None
    if by_name is None:
        raise InvalidInput(
            f"Keras does not say which way {monitor!r} gets better.",
            field="mode",
            hint="Say mode='max' or mode='min'.",
        )
    return by_name


def metrics_of(model: Any) -> list[Any]:
    """Return the metrics that a model was compiled with, those inside others too."""
    result = []
    for metric in model.metrics:
        result.extend([metric, *getattr(metric, "metrics", [])])
    return result


def missing_metric(monitor: str, logs: Mapping[str, Any], what: str) -> MetricMissing:
    """Return the error that names the metrics there are."""
    names = ", ".join(sorted(logs)) or "none"
    return MetricMissing(
        f"{what}: {monitor!r} is not among the metrics there are: {names}.",
        field="monitor",
        hint=_advise(monitor, logs),
    )


def _advise(monitor: str, logs: Mapping[str, Any]) -> str:
    if monitor.startswith("val_") and not any(name.startswith("val_") for name in logs):
        return (
            "Give fit() validation_data: without it nothing is validated. A callback that measures it stands before "
            "KeepBest in fit's list."
        )
    if close := get_close_matches(monitor, logs, 1):
        return f"Did you mean {close[0]!r}? Say it as monitor."
    return "Name one of them as monitor; a callback that measures another one stands before KeepBest in fit's list."


def _logged(model: Any) -> Iterator[tuple[str, Any]]:
    """Yield each metric with the name that it has in the logs, where an output's name may stand before its own."""
    metrics = metrics_of(model)
    outputs = [*(getattr(model, "output_names", None) or []), *_outputs_with_losses(model)]
    for metric in metrics:
        yield metric.name, metric
        for output in outputs:
            yield f"{output}_{metric.name}", metric


def _outputs_with_losses(model: Any) -> list[str]:
    """Return the outputs that have a loss of their own, as Keras names its trackers of them."""
    return [metric.name.removesuffix("_loss") for metric in model.metrics if _direction(metric) == "loss"]


def _direction(metric: Any) -> str | None:
    """Return "up", "down", "loss" for what Keras tracks of a loss, or None where nothing is declared."""
    import keras

    direction = getattr(metric, "_direction", None)
    if direction is None and type(metric) is keras.metrics.Mean and metric.name.endswith("loss"):
        return "loss"
    return direction
