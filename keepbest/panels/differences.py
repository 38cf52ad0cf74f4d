"""What changed between two recordings of a classifier: the matrix of the difference, examples newly right and wrong.

Pure: it reads recorded panels, and says in words what they do not tell.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from keepbest.contract.panel_differences import (
    MAX_NAMED,
    ChangedExample,
    ClassifiedPair,
    ConfusionDifference,
    ExamplePictures,
    ExamplesDifference,
)
from keepbest.contract.panels import ConfusionData, Sample, SamplesData
from keepbest.panels.packing import pack, unpack


@dataclass(frozen=True)
class Recording:
    """What a run recorded of its classifications at one step; None where it did not."""

    confusion: ConfusionData | None = None
    samples: SamplesData | None = None


@dataclass(frozen=True)
class Differences:
    """What two recordings tell, and notes on what they do not."""

    confusion: ConfusionDifference | None = None
    examples: ExamplesDifference | None = None
    classified: ClassifiedPair | None = None
    pictures: ExamplePictures | None = None
    notes: list[str] = field(default_factory=list)


def compare(first: Recording, second: Recording, *, is_same_run: bool = True) -> Differences:
    """Return what changed from the first recording to the second.

    Args:
        first: Of the one end.
        second: Of the other.
        is_same_run: Both ends have the same examples in the same order, also where the recordings do not show it.

    Example: `compare(Recording(confusion=best), Recording(confusion=last)).confusion.difference`.
    """
    notes = list(_find_obstacles(first, second))
    if notes:
        return Differences(notes=notes)
    confusion = _subtract(first.confusion, second.confusion) if first.confusion and second.confusion else None
    classified = _pair(first.confusion, second.confusion)
    pictures = _join_pictures(first.samples, second.samples)
    if classified is not None and confusion is not None:
        return Differences(confusion, _compare_all(classified, confusion.classes), classified, pictures)
    examples, notes = _compare_recorded(first.samples, second.samples, is_same_run)
    return Differences(confusion, examples, None, pictures, notes)


def _find_obstacles(first: Recording, second: Recording) -> Iterator[str]:
    """Yield why nothing can be said: there is nothing, or it was measured on something else."""
    before, after = first.confusion, second.confusion
    if before is None or after is None:
        missing = "Neither end" if before is None and after is None else "One end"
        yield f"{missing} has a confusion matrix: it is recorded of classifiers, at best validations and each tenth."
        return
    counts = [sum(map(sum, item.counts)) for item in (before, after)]
    if before.classes != after.classes:
        yield "The two ends have other classes, so that no cell is the same."
    elif before.part != after.part or counts[0] != counts[1]:
        yield f"The two ends were measured on other examples: {counts[0]:,} {before.part}, {counts[1]:,} {after.part}."
    elif before.examples and after.examples and before.examples.true != after.examples.true:
        yield "The two ends have other examples, or the same in another order: their true classes differ."


def _subtract(first: ConfusionData, second: ConfusionData) -> ConfusionDifference:
    difference = np.asarray(second.counts, np.int64) - np.asarray(first.counts, np.int64)
    return ConfusionDifference(
        classes=first.classes, first=first.counts, second=second.counts, difference=difference.tolist()
    )


def _pair(first: ConfusionData | None, second: ConfusionData | None) -> ClassifiedPair | None:
    known = [item.examples for item in (first, second) if item is not None and item.examples is not None]
    if len(known) < 2:
        return None
    return ClassifiedPair(true=known[0].true, first=known[0].predicted, second=known[1].predicted)


def _compare_all(pair: ClassifiedPair, classes: list[str]) -> ExamplesDifference:
    true, first, second = unpack(pair.true), unpack(pair.first), unpack(pair.second)
    was_right, is_right = first == true, second == true

    def name(places: NDArray[np.intp]) -> list[ChangedExample]:
        labels = ((int(place), *(classes[values[place]] for values in (true, first, second))) for place in places)
        return [ChangedExample(index=index, true=a, first=b, second=c) for index, a, b, c in labels]

    right, wrong = np.flatnonzero(~was_right & is_right), np.flatnonzero(was_right & ~is_right)
    return ExamplesDifference(
        n=len(true),
        known=len(true),
        newly_right=len(right),
        newly_wrong=len(wrong),
        wrong_at_both=int((~was_right & ~is_right).sum()),
        right=name(right[:MAX_NAMED]),
        wrong=name(wrong[:MAX_NAMED]),
    )


def _compare_recorded(
    first: SamplesData | None, second: SamplesData | None, is_same_run: bool
) -> tuple[ExamplesDifference | None, list[str]]:
    """Compare the first mistakes of both ends: of examples up to the last of them it is known who was right."""
    if first is None or second is None or first.n != second.n:
        return None, ["These recordings do not say which examples were right: newer ones do."]
    known = min(_count_known(first), _count_known(second))
    before, after = _by_index(first, known), _by_index(second, known)
    if any(before[index].true != after[index].true for index in before.keys() & after.keys()):
        return None, ["The two ends have other examples, or the same in another order: their true classes differ."]
    right = [_change(sample, sample.predicted, sample.true) for index, sample in before.items() if index not in after]
    wrong = [_change(sample, sample.true, sample.predicted) for index, sample in after.items() if index not in before]
    examples = ExamplesDifference(
        n=first.n,
        known=known,
        newly_right=len(right),
        newly_wrong=len(wrong),
        wrong_at_both=len(before.keys() & after.keys()),
        right=right,
        wrong=wrong,
    )
    return examples, list(_note_limits(first, known, is_same_run))


def _note_limits(first: SamplesData, known: int, is_same_run: bool) -> Iterator[str]:
    if known < first.n:
        yield (
            f"Only the first {known:,} of {first.n:,} examples are known at both ends: these recordings hold the first "
            "mistakes alone. Newer ones hold the class of every example."
        )
    if not is_same_run:
        yield "These recordings do not show whether both runs have the same examples in the same order."


def _count_known(samples: SamplesData) -> int:
    """Return of how many examples it is known whether they were right: all up to the last mistake that is listed."""
    if samples.wrong <= len(samples.samples):
        return samples.n
    return samples.samples[-1].index + 1 if samples.samples else 0


def _by_index(samples: SamplesData, known: int) -> Mapping[int, Sample]:
    return {sample.index: sample for sample in samples.samples if sample.index < known}


def _change(sample: Sample, first: str, second: str) -> ChangedExample:
    return ChangedExample(index=sample.index, true=sample.true, first=first, second=second)


def _join_pictures(first: SamplesData | None, second: SamplesData | None) -> ExamplePictures | None:
    """Return the pictures of either end, each example once; None where there are none, or of two sizes."""
    pictures: dict[int, NDArray[np.uint8]] = {}
    for samples in (first, second):
        if samples is not None and samples.images is not None:
            images = unpack(samples.images)
            pictures |= {sample.index: image for sample, image in zip(samples.samples, images, strict=True)}
    if not pictures or len({image.shape for image in pictures.values()}) > 1:
        return None
    indexes = sorted(pictures)
    return ExamplePictures(indexes=indexes, images=pack(np.stack([pictures[index] for index in indexes])))
