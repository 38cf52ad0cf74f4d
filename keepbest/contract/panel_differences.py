"""Defines what changed between two recordings of a classifier: one run at two steps, or two runs."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from keepbest.contract.base import Answer, Count, Id, Shape, Step
from keepbest.contract.panels import Label, PackedArray

#: The most examples that an answer names of each kind; the counts count all of them.
MAX_NAMED = 200

#: The best validation, the last recording, or a step.
Moment = Annotated[str, Field(pattern=r"^(best|last|[0-9]{1,16})$")]


class PanelDifferenceQuery(Shape):
    """Two ends: the best and the last of one run, or each of two runs at its best, unless the query says otherwise."""

    first: str = Field(max_length=12)
    second: str | None = Field(default=None, max_length=12, description="another run; else the first")
    first_at: Moment = Field(default="best", description="best, last, or a step")
    second_at: Moment | None = Field(default=None, description="likewise; last of the same run, best of another")


class DifferenceEnd(Answer):
    """One end of a difference. `step` is null if the run has no such recording."""

    run: Id
    name: str
    number: int
    at: str
    step: Step | None = None
    checkpoint: Id | None = Field(default=None, description="the checkpoint on disk that is nearest to it")
    checkpoint_step: Step | None = None


class ConfusionDifference(Answer):
    """The matrices of both ends, a row for each true class, and the second less the first."""

    classes: list[Label]
    first: list[list[Count]]
    second: list[list[Count]]
    difference: list[list[int]]


class ChangedExample(Answer):
    """An example that one end classifies correctly and the other does not: its true class and both predictions."""

    index: Count
    true: Label
    first: Label
    second: Label


class ExamplesDifference(Answer):
    """Which examples changed. Both ends are known of the first `known` of the `n` examples; no other counts."""

    n: Count
    known: Count
    newly_right: Count
    newly_wrong: Count
    wrong_at_both: Count
    right: list[ChangedExample] = Field(description="the first of those that became right")
    wrong: list[ChangedExample] = Field(description="the first of those that became wrong")


class ClassifiedPair(Answer):
    """The classes of every example as their places in the classes, a byte each: the samples of each cell."""

    true: PackedArray
    first: PackedArray
    second: PackedArray


class ExamplePictures(Answer):
    """Pictures of the examples at these places, as far as either end recorded them."""

    indexes: list[Count]
    images: PackedArray


class PanelDifference(Answer):
    """What changed from the first end to the second; `notes` say what the recordings do not tell, and why."""

    first: DifferenceEnd
    second: DifferenceEnd
    part: Label = ""
    confusion: ConfusionDifference | None = None
    examples: ExamplesDifference | None = None
    classified: ClassifiedPair | None = None
    pictures: ExamplePictures | None = None
    notes: list[str] = Field(default_factory=list)
