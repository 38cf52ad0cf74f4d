"""Checks before training that the monitored metric will exist, if this can be known."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import keras

from keepbest.errors import MetricMissing
from keepbest.hints import nearest
from keepbest.training.monitor import metrics_of
from keepbest.training.spec import Training

#: A model that overrides one of these may have other metrics, which only training shows.
_OWN_METHODS = ("train_step", "test_step", "evaluate", "compute_metrics", "get_metrics_result", "metrics", "compile")


def check_monitor(training: Training, monitor: str) -> None:
    """Raise MetricMissing, with the nearest name, for a metric that no validation of this training can have."""
    model = training.model
    own = any(getattr(type(model), name) is not getattr(keras.Model, name) for name in _OWN_METHODS)
    if own or training.callbacks:
        return
    known = sorted(set(_list_names(training)))
    if monitor.partition("[")[0] in known:
        return
    raise MetricMissing(
        f"This training will have no metric {monitor!r}.",
        field="monitor",
        hint=f"{nearest(monitor, known)} Or add it in model.compile(metrics=[…]).",
    )


def advise(monitor: str, measured: Iterable[str]) -> str:
    """Return a hint with the nearest of the measured metrics; of a vector, those by class."""
    known = sorted(measured)
    name = monitor.partition("[")[0]
    if classes := [text for text in known if text.startswith(f"{name}[")]:
        return f"{name} has a value for each class: name one of {', '.join(classes)}."
    return f"{nearest(monitor, known)} Or add it in model.compile(metrics=[…])."


def _list_names(training: Training) -> Iterator[str]:
    """Yield every name that a metric may have, rather too many than too few."""
    measured = ["loss", *_list_metrics(training.model)]
    yield from training.watch
    for name in measured:
        yield name
        yield from (f"{part}_{name}" for part in ("val", *training.also))


def _list_metrics(model: Any) -> Iterator[str]:
    outputs = [*(getattr(model, "output_names", None) or []), *_keys(model.loss)]
    compiled = getattr(model, "_compile_metrics", None)
    names = {metric.name for metric in metrics_of(model)}
    for attribute in ("_user_metrics", "_user_weighted_metrics"):
        metrics = getattr(compiled, attribute, None)
        outputs += _keys(metrics)
        names |= {_name_of(metric) for metric in keras.tree.flatten(metrics) if metric is not None}
    for name in names:
        yield name
        yield from (f"{output}_{name}" for output in outputs)
    yield from (f"{output}_loss" for output in outputs)


def _keys(fields: Any) -> list[str]:
    return [str(key) for key in fields] if isinstance(fields, dict) else []


def _name_of(metric: Any) -> str:
    """Return the name under which Keras logs an argument of compile(metrics=…)."""
    if isinstance(metric, str):
        return metric
    return str(getattr(metric, "name", None) or getattr(metric, "__name__", None) or type(metric).__name__)
