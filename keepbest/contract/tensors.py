"""What is asked of a model that was built anew, and what it says: tensors by name, on examples of the run's data."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from keepbest.contract.base import Answer, Shape

TensorKind = Literal["variable", "activation", "gradient", "loss"]
PartName = Literal["train", "validation", "test"]


class TensorRequest(Shape):
    """One tensor; a loss needs no name."""

    kind: TensorKind
    name: str = ""


class Inquiry(Shape):
    """Tensors on the examples from `first` up to `stop`, or up to the end of the part."""

    wanted: list[TensorRequest] = Field(default_factory=list)
    part: PartName = "validation"
    first: int = Field(default=0, ge=0)
    stop: int | None = None
    #: Losses and gradients of the sum over the examples, not of the mean.
    total: bool = False
    #: Every variable and every layer, without values.
    everything: bool = False


class Named(Answer):
    """A tensor without its values. A layer that is called twice answers as `name` and `name#2`."""

    kind: TensorKind
    name: str
    shape: list[int]
    dtype: str


class Verdicts(Answer):
    """What a classifier says of some examples: classes by their numbers, and a row of probabilities each."""

    classes: list[str]
    labels: list[int]
    argmax: list[int]
    probabilities: list[list[float]]


class Findings(Answer):
    """The answer; the values of tensor number n lie beside it in `n.npy`. `examples`: how many they are of."""

    tensors: list[Named]
    examples: int | None = None
    verdicts: Verdicts | None = None
