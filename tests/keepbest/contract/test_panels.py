"""A confusion matrix with its examples: a byte each, bounded, and in accord with the counts."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from keepbest.contract.panels import MAX_CLASSIFIED, ConfusionData
from keepbest.panels.confusion import count_confusion
from keepbest.panels.packing import pack, unpack

COUNTS = {"kind": "confusion", "classes": ["a", "b"], "counts": [[1, 1], [0, 1]]}


def bytes_of(*values: int) -> Any:
    return pack(np.asarray(values, np.uint8)).model_dump()


def test_a_matrix_holds_its_examples() -> None:
    examples = count_confusion(np.array([0, 0, 1]), np.array([0, 1, 1]), ["a", "b"]).examples
    assert examples is not None
    assert (unpack(examples.true).tolist(), unpack(examples.predicted).tolist()) == ([0, 0, 1], [0, 1, 1])


def test_an_older_matrix_opens_without_examples() -> None:
    assert ConfusionData.model_validate(COUNTS).examples is None


def test_too_many_examples_are_left_out() -> None:
    many = np.zeros(MAX_CLASSIFIED + 1, np.int64)
    confusion = count_confusion(many, many, ["a"])
    assert (confusion.examples, confusion.counts) == (None, [[MAX_CLASSIFIED + 1]])


@pytest.mark.parametrize(
    ("true", "predicted", "words"),
    [
        (bytes_of(0, 0, 1), bytes_of(0, 1), "a byte each"),
        (bytes_of(0, 1), bytes_of(0, 1), "equally many"),
        (bytes_of(0, 0, 1), bytes_of(0, 1, 2), "no name"),
        (pack(np.zeros(3)).model_dump(), bytes_of(0, 1, 1), "a byte each"),
        (pack(np.zeros((3, 1), np.uint8)).model_dump(), bytes_of(0, 1, 1), "1 dimensions"),
    ],
)
def test_examples_that_do_not_fit_are_refused(true: Any, predicted: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        ConfusionData.model_validate({**COUNTS, "examples": {"true": true, "predicted": predicted}})
