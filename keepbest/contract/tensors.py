"""Defines the request for tensors of a rebuilt model on examples of the run's data, and the answer."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from keepbest.contract.base import Answer, Shape

TensorKind = Literal["variable", "activation", "gradient", "loss"]
PartName = Literal["train", "validation", "test"]


class TensorRequest(Shape):
    """Names one tensor. A loss needs no name."""

    kind: TensorKind
    name: str = ""


class Inquiry(Shape):
    """Asks for tensors on the examples from `first` up to `stop`, or up to the end of the part."""

    wanted: list[TensorRequest] = Field(default_factory=list)
    part: PartName = "validation"
    first: int = Field(default=0, ge=0)
    stop: int | None = None
    #: Whether losses and gradients are those of the sum over the examples, not of the mean.
    total: bool = False
    #: Whether the answer lists every variable and layer, without values.
    everything: bool = False


class Named(Answer):
    """A tensor without its values. The two calls of a layer that the model calls twice are `name` and `name#2`."""

    kind: TensorKind
    name: str
    shape: list[int]
    dtype: str


class Verdicts(Answer):
    """A classifier's answer for some examples: the numbers of the classes, and a row of probabilities for each."""

    classes: list[str]
    labels: list[int]
    argmax: list[int]
    probabilities: list[list[float]]


class Findings(Answer):
    """The answer. The file `n.npy` beside it has the values of tensor number n; `examples` is how many there are."""

    tensors: list[Named]
    examples: int | None = None
    verdicts: Verdicts | None = None
