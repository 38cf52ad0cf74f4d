"""What a run recorded of its classifications: confusion matrices and first mistakes of small pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from keepbest.contract.panels import PanelData, PanelMade
from keepbest.panels.confusion import count_confusion, find_wrong
from tests.support.story import Story, now

CLASSES = ("cat", "dog", "fox")
#: Twelve examples, four of each class.
TRUE = tuple(place % 3 for place in range(12))


def predict(mistakes: Mapping[int, int], true: Sequence[int] = TRUE) -> list[int]:
    """Return the right classes but for these examples."""
    return [mistakes.get(place, label) for place, label in enumerate(true)]


def make_panels(
    predicted: Sequence[int],
    *,
    true: Sequence[int] = TRUE,
    classes: Sequence[str] = CLASSES,
    is_old: bool = False,
    count: int = 9,
) -> dict[str, PanelData]:
    """Return the panels of these predictions; an old recording holds the first mistakes alone."""
    labels, said = np.asarray(true), np.asarray(predicted)
    images = np.linspace(0, 1, len(labels) * 36).reshape(len(labels), 6, 6)
    confusion = count_confusion(labels, said, classes)
    samples = find_wrong(labels, np.eye(len(classes))[said], classes, images, count=count)
    return {
        "confusion": confusion.model_copy(update={"examples": None}) if is_old else confusion,
        "misclassified": samples,
    }


def list_panels(step: int, predicted: Sequence[int], *, segment: int = 0, **kind: Any) -> list[dict[str, Any]]:
    """Return the panels as a trainer reports them."""
    return [
        PanelMade(segment=segment, step=step, name=name, data=data, at=now()).model_dump(mode="json")
        for name, data in make_panels(predicted, **kind).items()
    ]


def record_classes(story: Story, step: int, mistakes: Mapping[int, int], **kind: Any) -> None:
    """Let a run record what it classified at a step."""
    story.tell(panels=list_panels(step, predict(mistakes), segment=story.segment, **kind))
