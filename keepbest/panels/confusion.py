"""Panels of a classifier: the confusion matrix, and the first misclassified examples."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keepbest.contract.panels import (
    MAX_CLASSIFIED,
    ClassifiedExamples,
    ConfusionData,
    PackedArray,
    Sample,
    SamplesData,
)
from keepbest.panels.packing import finite, pack, to_bytes

MAX_CLASSES = 100
#: The longest side of an image in a panel, in pixels; larger images are left out.
MAX_SIDE = 96

Labels = NDArray[np.int64]


def count_confusion(
    true: Labels, predicted: Labels, classes: Sequence[str], *, part: str = "validation"
) -> ConfusionData:
    """Return how often the model predicted each class (column) for each true class (row), and for which examples."""
    size = len(classes)
    counts = np.bincount(true * size + predicted, minlength=size * size).reshape(size, size)
    examples = None
    if len(true) <= MAX_CLASSIFIED:
        examples = ClassifiedExamples(true=pack(true.astype(np.uint8)), predicted=pack(predicted.astype(np.uint8)))
    return ConfusionData(kind="confusion", part=part, classes=list(classes), counts=counts.tolist(), examples=examples)


def find_wrong(
    true: Labels,
    probabilities: NDArray[Any],
    classes: Sequence[str],
    images: NDArray[Any] | None = None,
    *,
    count: int = 9,
    part: str = "validation",
) -> SamplesData:
    """Return the first `count` misclassified examples, as pictures if `images` is (n, height, width[, channels])."""
    predicted = probabilities.argmax(axis=1)
    wrong = np.flatnonzero(predicted != true)
    first = wrong[:count]
    samples = [
        Sample(
            index=int(index),
            true=classes[true[index]],
            predicted=classes[predicted[index]],
            probability=finite(probabilities[index, predicted[index]]),
        )
        for index in first
    ]
    shown = pack_images(images[first]) if images is not None and len(first) else None
    return SamplesData(kind="samples", part=part, wrong=len(wrong), n=len(true), samples=samples, images=shown)


def pack_images(images: NDArray[Any]) -> PackedArray | None:
    """Return grey or coloured images as bytes, from the darkest value to the brightest; None if they are no images."""
    images = images[..., np.newaxis] if images.ndim == 3 else images
    if images.ndim != 4 or images.shape[-1] not in (1, 3) or max(images.shape[1:3]) > MAX_SIDE:
        return None
    return pack(to_bytes(images, float(np.min(images)), float(np.max(images))))
