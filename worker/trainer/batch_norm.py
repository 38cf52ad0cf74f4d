"""Batch normalization of an averaged model: the moving statistics of its parts do not fit the average.

So this module measures them anew, as Izmailov et al. do (Averaging Weights Leads to Wider Optima, UAI 2018): one pass
over batches of the training data in training mode. Each statistic is the plain mean over the batches, for any momentum
of the layer.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice
from math import ceil
from typing import Any

from keepbest.model.variables import value_of
from worker.trainer.batches import BatchSource

#: The most batches of the pass, which is at most one epoch: the mean over so many is steady.
MAX_BATCHES = 100


def find_layers(model: Any) -> list[Any]:
    """Return the trainable layers of batch normalization, also nested ones; a frozen layer keeps its statistics."""
    import keras

    layers = [layer for layer in model._flatten_layers() if isinstance(layer, keras.layers.BatchNormalization)]
    return [layer for layer in layers if layer.trainable]


def count_batches(feed: BatchSource) -> int:
    """Return the number of batches of a pass: an epoch, at most MAX_BATCHES."""
    return min(MAX_BATCHES, ceil(feed.batches_per_epoch)) if feed.batches_per_epoch else MAX_BATCHES


def measure_anew(model: Any, layers: Sequence[Any], feed: BatchSource, batches: int) -> None:
    """Give `layers` the mean statistics of the feed's first batches, which are the same each time.

    This also moves other variables that training mode moves, such as the seeds of dropout.
    """
    import keras

    momenta = [layer.momentum for layer in layers]
    try:
        for number, batch in enumerate(islice(feed.batches_from(0), batches)):
            for layer in layers:
                layer.momentum = number / (number + 1)  # the mean so far; the first batch replaces the old statistics
            model(keras.utils.unpack_x_y_sample_weight(batch)[0], training=True)
    finally:
        for layer, momentum in zip(layers, momenta, strict=True):
            layer.momentum = momentum


def statistics_of(layers: Iterable[Any]) -> list[Any]:
    """Return the `tf.Variable`s that hold the moving statistics."""
    return [value_of(item) for layer in layers for item in (layer.moving_mean, layer.moving_variance)]
