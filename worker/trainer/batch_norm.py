"""Batch normalization of an averaged model: its moving statistics belong to none of the models it was made of.

They are measured anew, as Izmailov et al. do (Averaging Weights Leads to Wider Optima, UAI 2018): one pass over
batches of the training data in training mode, each statistic the plain mean over the batches, whatever the layer's
momentum is.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice
from math import ceil
from typing import Any

from keepbest.model.variables import value_of
from worker.trainer.batches import BatchSource

#: Of one epoch at most: the mean over so many batches is steady.
MAX_BATCHES = 100


def find_layers(model: Any) -> list[Any]:
    """Return the layers of batch normalization that learn, nested ones too; a frozen one keeps its statistics."""
    import keras

    flatten_layers = [layer for layer in model._flatten_layers() if isinstance(layer, keras.layers.BatchNormalization)]
    return [layer for layer in flatten_layers if layer.trainable]


def count_batches(feed: BatchSource) -> int:
    """Return how many batches a pass takes: an epoch, at most MAX_BATCHES."""
    return min(MAX_BATCHES, ceil(feed.batches_per_epoch)) if feed.batches_per_epoch else MAX_BATCHES


def measure_anew(model: Any, layers: Sequence[Any], feed: BatchSource, batches: int) -> None:
    """Give `layers` the mean statistics of the feed's first batches: the same ones whenever this is done.

    Other variables that a step in training mode moves, such as the seeds of dropout, are moved too.
    """
    import keras

    momenta = [layer.momentum for layer in layers]
    try:
        for number, batch in enumerate(islice(feed.batches_from(0), batches)):
            for layer in layers:
                layer.momentum = number / (number + 1)  # the mean of all so far; the first takes the place of the old
            model(keras.utils.unpack_x_y_sample_weight(batch)[0], training=True)
    finally:
        for layer, momentum in zip(layers, momenta, strict=True):
            layer.momentum = momentum


def statistics_of(layers: Iterable[Any]) -> list[Any]:
    """Return the `tf.Variable`s that hold the moving statistics."""
    return [value_of(item) for layer in layers for item in (layer.moving_mean, layer.moving_variance)]
