"""The monitor: which way it gets better, and the error if the metric is missing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Any

from keepbest.errors import InvalidInput, MetricMissing
from keepbest.stopping import Mode, find_mode


def direction_of(model: Any, monitor: str) -> Mode:
    """Return "min" for a loss, else the direction that the Keras metric declares.

    A part of a vector (`val_f1[2]`) has the direction of the vector; a metric of one of several outputs
    (`val_out1_accuracy`) that of the output's metric. A metric that the model was not compiled with, such as a
    callback's, has the direction of Keras' metric of that name.

    Raises:
        InvalidInput: The direction is unknown.
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
            hint="Give mode='max' or mode='min'.",
        )
    return by_name


def metrics_of(model: Any) -> list[Any]:
    """Return the metrics that a model was compiled with, also those inside others."""
    result = []
    for metric in model.metrics:
        result.extend([metric, *getattr(metric, "metrics", [])])
    return result


def missing_metric(monitor: str, logs: Mapping[str, Any], what: str) -> MetricMissing:
    """Return the error that names the metrics of the logs."""
    names = ", ".join(sorted(logs)) or "none"
    return MetricMissing(
        f"{what}: {monitor!r} is not among the metrics there are: {names}.",
        field="monitor",
        hint=_advise(monitor, logs),
    )


def _advise(monitor: str, logs: Mapping[str, Any]) -> str:
    if monitor.startswith("val_") and not any(name.startswith("val_") for name in logs):
        return (
            "Give fit() validation_data: without it there are no validations. If a callback measures the metric, put "
            "it before KeepBest in fit's list."
        )
    if close := get_close_matches(monitor, logs, 1):
        return f"Did you mean monitor={close[0]!r}?"
    return "Name one of them as monitor. If a callback measures the metric, put it before KeepBest in fit's list."


def _logged(model: Any) -> Iterator[tuple[str, Any]]:
    """Yield each metric with its possible names in the logs: its own, and that after an output's name."""
    metrics = metrics_of(model)
    # Keras names the loss trackers of outputs.
    outputs = [metric.name.removesuffix("_loss") for metric in model.metrics if _direction(metric) == "loss"]
    outputs += getattr(model, "output_names", None) or []
    for metric in metrics:
        yield metric.name, metric
        for output in outputs:
            yield f"{output}_{metric.name}", metric


def _direction(metric: Any) -> str | None:
    """Return "up" or "down", "loss" for Keras' tracker of a loss, or None if the metric declares no direction."""
    import keras

    direction = getattr(metric, "_direction", None)
    if direction is None and type(metric) is keras.metrics.Mean and metric.name.endswith("loss"):
        return "loss"
    return direction
