"""Chooses the panels that fit a network and its examples, and makes them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from keepbest.contract.panels import PanelData
from keepbest.panels.boundary import draw_boundary, draw_fit
from keepbest.panels.confusion import MAX_CLASSES, count_confusion, find_wrong
from keepbest.panels.examples import Scene
from keepbest.panels.histograms import spread
from keepbest.panels.shadow_model import Replica
from keepbest.panels.weights import show_columns, show_filters

#: The most input channels of a convolution that a panel shows.
CHANNELS = 2
#: Examples for the histograms of outputs.
HISTOGRAM_EXAMPLES = 256


Named = tuple[str, PanelData]


def paint(replica: Replica, scene: Scene) -> Iterator[Named]:
    """Yield every panel that fits this network and these examples."""
    outputs = replica.answer(scene.x)
    width = outputs.shape[1] if outputs.ndim == 2 else 0
    labels = scene.labels(width)
    if labels is not None and width <= MAX_CLASSES:
        names = scene.names(width)
        yield "confusion", count_confusion(labels, outputs.argmax(axis=1), names, part=scene.part)
        yield "misclassified", find_wrong(labels, outputs, names, scene.images, part=scene.part)
    yield from _paint_kernels(replica, scene)
    yield from _paint_surface(replica, scene, width)
    if scene.single is not None:
        yield "outputs", spread(dict(replica.answers(scene.single[:HISTOGRAM_EXAMPLES])))
    variables = {str(variable.path): variable.numpy() for variable in replica.model.trainable_variables}
    yield "variables", spread(variables, "variables")


def _paint_kernels(replica: Replica, scene: Scene) -> Iterator[Named]:
    images = scene.images
    for path, kernel in replica.kernels:
        if kernel.ndim == 4:
            for channel in range(min(kernel.shape[2], CHANNELS)):
                suffix = f"/{channel}" if kernel.shape[2] > 1 else ""
                yield f"weights/{path[:80]}{suffix}", show_filters(kernel, path[:200], channel=channel)
        elif images is not None and images.shape[-1] == 1 and kernel.shape[0] == images.shape[1] * images.shape[2]:
            yield f"weights/{path[:80]}", show_columns(kernel, path[:200], images.shape[1], images.shape[2])


def _paint_surface(replica: Replica, scene: Scene, width: int) -> Iterator[Named]:
    x = scene.single
    if x is None or x.ndim != 2 or width != 1 or scene.y.reshape(len(scene), -1).shape[1] != 1:
        return
    if x.shape[1] == 1:
        yield "fit", draw_fit(x, scene.y, replica.answer)
    elif x.shape[1] == 2:
        dense = [layer for layer in replica.model.layers if len(layer.weights) == 2 and hasattr(layer, "units")]
        names = {layer.name for layer in dense}

        def answers(points: Any) -> list[tuple[str, Any]]:
            outputs = replica.answers(points)
            return [(name, value) for name, value in outputs if name in names] or outputs[-1:]

        weights = [(np.asarray(layer.kernel), np.asarray(layer.bias)) for layer in dense]
        yield (
            "boundary",
            draw_boundary((x, scene.y), None, answers, weights, discrete=set(np.unique(scene.y)) == {-1, 1}),
        )
