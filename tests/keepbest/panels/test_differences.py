"""What two recordings of a classifier tell of each other, and what they do not."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from keepbest.contract.panel_differences import MAX_NAMED
from keepbest.contract.panels import ConfusionData, SamplesData
from keepbest.panels.confusion import count_confusion, find_wrong
from keepbest.panels.differences import Recording, compare
from keepbest.panels.packing import unpack

CLASSES = ["cat", "dog", "fox"]
TRUE = [0, 0, 1, 1, 2, 2]
FIRST = [0, 1, 1, 1, 2, 0]
SECOND = [0, 0, 1, 2, 2, 1]


def matrix(true: list[int], predicted: list[int], *, is_old: bool = False) -> ConfusionData:
    made = count_confusion(np.asarray(true), np.asarray(predicted), CLASSES)
    return made.model_copy(update={"examples": None}) if is_old else made


def mistakes(true: list[int], predicted: list[int], count: int = 9) -> SamplesData:
    images = np.arange(4 * len(true)).reshape(len(true), 2, 2)
    return find_wrong(np.asarray(true), np.eye(3)[predicted], CLASSES, images, count=count)


def old(true: list[int], predicted: list[int], count: int = 9) -> Recording:
    """A recording that holds the first mistakes alone."""
    return Recording(matrix(true, predicted, is_old=True), mistakes(true, predicted, count))


def test_each_cell_has_the_second_less_the_first() -> None:
    confusion = compare(Recording(matrix(TRUE, FIRST)), Recording(matrix(TRUE, SECOND))).confusion
    assert confusion is not None
    assert confusion.first == [[1, 1, 0], [0, 2, 0], [1, 0, 1]]
    assert confusion.second == [[2, 0, 0], [0, 1, 1], [0, 1, 1]]
    assert confusion.difference == [[1, -1, 0], [0, -1, 1], [-1, 1, 0]]


@pytest.mark.parametrize("is_old", [False, True])
def test_examples_newly_right_and_newly_wrong_are_named(is_old: bool) -> None:
    ends = [old(TRUE, said) if is_old else Recording(matrix(TRUE, said)) for said in (FIRST, SECOND)]
    differences = compare(*ends)
    examples = differences.examples
    assert examples is not None
    assert (examples.n, examples.known, examples.wrong_at_both) == (6, 6, 1)
    assert [tuple(row.model_dump().values()) for row in examples.right] == [(1, "cat", "dog", "cat")]
    assert [tuple(row.model_dump().values()) for row in examples.wrong] == [(3, "dog", "dog", "fox")]
    assert differences.notes == []


def test_a_recording_of_first_mistakes_says_how_far_it_knows() -> None:
    differences = compare(old(TRUE, FIRST, count=1), old(TRUE, SECOND, count=1))
    examples = differences.examples
    assert examples is not None
    assert (examples.known, [row.index for row in examples.right], examples.wrong) == (2, [1], [])
    assert differences.notes[0].startswith("Only the first 2 of 6 examples are known at both ends")


def test_old_recordings_of_two_runs_say_that_order_is_unknown() -> None:
    notes = compare(old(TRUE, FIRST), old(TRUE, SECOND), is_same_run=False).notes
    assert notes == ["These recordings do not show whether both runs have the same examples in the same order."]


def test_pictures_of_both_ends_are_joined() -> None:
    first, second = (Recording(matrix(TRUE, said), mistakes(TRUE, said)) for said in (FIRST, SECOND))
    pictures = compare(first, second).pictures
    assert pictures is not None
    assert (pictures.indexes, unpack(pictures.images).shape) == ([1, 3, 5], (3, 2, 2, 1))


OTHER = [
    (Recording(), Recording(matrix(TRUE, FIRST)), "One end has a confusion matrix"),
    (Recording(), Recording(), "Neither end has a confusion matrix"),
    (Recording(matrix(TRUE, FIRST)), Recording(matrix(TRUE[:3], FIRST[:3])), "other examples: 6 validation, 3"),
    (Recording(matrix(TRUE, FIRST)), Recording(matrix(TRUE[::-1], FIRST)), "the same in another order"),
    (old(TRUE, FIRST), old([0, 2, 1, 1, 2, 2], [*SECOND[:1], 1, *SECOND[2:]]), "their true classes differ"),
    (Recording(matrix(TRUE, FIRST, is_old=True)), Recording(matrix(TRUE, SECOND)), "do not say which examples"),
    (
        Recording(matrix(TRUE, FIRST)),
        Recording(count_confusion(np.asarray(TRUE), np.asarray(FIRST), ["a", "b", "c"])),
        "other classes",
    ),
]


@pytest.mark.parametrize(("first", "second", "words"), OTHER)
def test_what_cannot_be_known_is_said(first: Recording, second: Recording, words: str) -> None:
    differences = compare(first, second)
    assert differences.examples is None
    assert words in differences.notes[0]


_labels = arrays.arrays(np.int64, st.shared(st.integers(1, 40), key="n"), elements=st.integers(0, 2))


@given(_labels, _labels, _labels)
def test_the_counts_add_up(true: np.ndarray, first: np.ndarray, second: np.ndarray) -> None:
    ends = [Recording(count_confusion(true, said, CLASSES)) for said in (first, second)]
    differences = compare(*ends)
    assert differences.confusion is not None
    assert differences.examples is not None
    diagonal = sum(row[place] for place, row in enumerate(differences.confusion.difference))
    assert diagonal == differences.examples.newly_right - differences.examples.newly_wrong
    assert sum(map(sum, differences.confusion.difference)) == 0


def test_many_changes_are_counted_and_the_first_named() -> None:
    true = [0] * (MAX_NAMED + 5)
    examples = compare(Recording(matrix(true, true)), Recording(matrix(true, [1] * len(true)))).examples
    assert examples is not None
    assert (examples.newly_wrong, len(examples.wrong)) == (len(true), MAX_NAMED)
