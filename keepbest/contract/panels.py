"""Defines panels: pictures of a model at a validation, as data without markup or code. The page draws them."""

from __future__ import annotations

import base64
from math import prod
from typing import Annotated, Literal

from pydantic import Field, model_validator

from keepbest.contract.base import Answer, Count, Id, Moment, Shape, Step, Timestamp
from keepbest.contract.names import Name

#: The most bytes of a panel as JSON; the tracker refuses a larger panel.
MAX_PANEL_BYTES = 2**20
#: The most panels of one run. The tracker first drops the oldest of those without a snapshot.
MAX_PANELS = 2000

#: The most examples whose classes a panel holds, a byte each.
MAX_CLASSIFIED = 100_000

PanelName = Name
Label = Annotated[str, Field(max_length=200)]
Number = float | None  # null where it is not finite


_ITEM_BYTES = {"uint8": 1, "float32": 4}


def _check_rank(packed: PackedArray | None, *ranks: int) -> None:
    if packed is not None and len(packed.shape) not in ranks:
        raise ValueError(f"the array has {' or '.join(map(str, ranks))} dimensions, but got the shape {packed.shape}")


class PackedArray(Shape):
    """An array: little-endian values in base64, row by row."""

    shape: list[Annotated[int, Field(ge=0, le=2**31)]] = Field(max_length=6)
    dtype: Literal["uint8", "float32"]
    data: str = Field(max_length=MAX_PANEL_BYTES)

    @model_validator(mode="after")
    def _check_size(self) -> PackedArray:
        """Refuse data that have another size than the shape says, because the page that draws them relies on it."""
        expected = prod(self.shape) * _ITEM_BYTES[self.dtype]
        try:
            number = len(base64.b64decode(self.data, validate=True))
        except ValueError:
            raise ValueError("the data are not base64") from None
        if number != expected:
            raise ValueError(f"the shape {self.shape} of {self.dtype} takes {expected} bytes, but got {number}")
        return self


# `kind` has no default in a panel: a trainer leaves fields out that equal their defaults, and it must send the kind.


class ClassifiedExamples(Shape):
    """The true and the predicted class of each example, in their order: the places of the classes, a byte each."""

    true: PackedArray
    predicted: PackedArray

    @model_validator(mode="after")
    def _check_arrays(self) -> ClassifiedExamples:
        for packed in (self.true, self.predicted):
            _check_rank(packed, 1)
        if {self.true.dtype, self.predicted.dtype} != {"uint8"} or self.true.shape != self.predicted.shape:
            raise ValueError("the examples need a byte each for their true and for their predicted class")
        if self.true.shape[0] > MAX_CLASSIFIED:
            raise ValueError(f"a panel holds the classes of at most {MAX_CLASSIFIED:,} examples")
        return self

    def count_classes(self) -> int:
        """Return how many classes the bytes need at least."""
        return 1 + max(max(base64.b64decode(packed.data), default=0) for packed in (self.true, self.predicted))


class ConfusionData(Shape):
    """How often each class was predicted: a row of `counts` for each true class, a column for each predicted class.

    `examples` is null in older recordings, and where there are too many examples.
    """

    kind: Literal["confusion"]
    part: Label = "validation"
    classes: list[Label] = Field(max_length=200)
    counts: list[list[Count]] = Field(max_length=200)
    examples: ClassifiedExamples | None = None

    @model_validator(mode="after")
    def _check_square(self) -> ConfusionData:
        if {len(self.classes)} != {len(self.counts), *map(len, self.counts)}:
            raise ValueError("the counts need one row and one column for each class")
        if self.examples is not None and self.examples.true.shape[0] != sum(map(sum, self.counts)):
            raise ValueError("the counts and the examples are not of equally many examples")
        if self.examples is not None and self.classes and self.examples.count_classes() > len(self.classes):
            raise ValueError("an example has a class that has no name")
        return self


class Sample(Shape):
    """One example: its place in the part, its true class, the predicted class and that prediction's probability."""

    index: Count
    true: Label
    predicted: Label
    probability: Number = None


class SamplesData(Shape):
    """The first misclassified examples. `images` is (n, height, width, channels), if the examples are images."""

    kind: Literal["samples"]
    part: Label = "validation"
    wrong: Count
    n: Count
    samples: list[Sample] = Field(max_length=100)
    images: PackedArray | None = None

    @model_validator(mode="after")
    def _check_images(self) -> SamplesData:
        _check_rank(self.images, 4)
        if self.images is not None and self.images.shape[0] != len(self.samples):
            raise ValueError("the panel needs one image for each sample")
        return self


class WeightsData(Shape):
    """A variable as tiles of (n, height, width). Bytes of 0 to 255 show `low` to `high`, zero in the middle."""

    kind: Literal["weights"]
    variable: Label
    shape: list[Count] = Field(max_length=10)
    channel: Count | None = None  # the channel of the input, if it has several
    mean: Number
    std: Number
    low: float
    high: float
    tiles: PackedArray

    @model_validator(mode="after")
    def _check_tiles(self) -> WeightsData:
        _check_rank(self.tiles, 3)
        return self


class Histogram(Shape):
    """A histogram of finite values, with one edge more than counts. `non_finite` counts the other values."""

    name: Label
    shape: list[Count] = Field(max_length=10)
    edges: list[float] = Field(max_length=201)
    counts: list[Count] = Field(max_length=200)
    mean: Number = None
    std: Number = None
    non_finite: Count = 0

    @model_validator(mode="after")
    def _check_edges(self) -> Histogram:
        if len(self.edges) != len(self.counts) + bool(self.counts):
            raise ValueError("a histogram has one edge more than counts")
        return self


class HistogramsData(Shape):
    """Histograms of each layer's outputs, or of each variable's values or gradients."""

    kind: Literal["histograms"]
    of: Literal["outputs", "variables", "gradients"]
    histograms: list[Histogram] = Field(max_length=500)


class GraphNode(Shape):
    """A layer, an operation, or a scope of other nodes. `parent` is the id of the scope that holds this node."""

    id: Label
    label: Label
    type: Label
    parent: Label | None = None
    shape: Label = ""
    parameters: Count = 0


class GraphEdge(Shape):
    source: Label
    target: Label
    shape: Label = ""


class GraphData(Shape):
    kind: Literal["graph"]
    nodes: list[GraphNode] = Field(max_length=5000)
    edges: list[GraphEdge] = Field(max_length=20_000)


class FitData(Shape):
    """Points of one input and one output, and the model's outputs over the same range."""

    kind: Literal["fit"]
    x: list[float] = Field(max_length=5000)
    y: list[float] = Field(max_length=5000)
    line_x: list[float] = Field(max_length=1000)
    line_y: list[Number] = Field(max_length=1000)

    @model_validator(mode="after")
    def _check_pairs(self) -> FitData:
        if len(self.x) != len(self.y) or len(self.line_x) != len(self.line_y):
            raise ValueError("x and y need equally many values")
        return self


class Neuron(Shape):
    """One unit of a small network: its output over the plane, its bias and the weights of its inputs."""

    name: Label
    grid: PackedArray | None = None
    bias: Number = None
    weights: list[Number] = Field(max_length=500)

    @model_validator(mode="after")
    def _check_grid(self) -> Neuron:
        _check_rank(self.grid, 2)
        return self


class BoundaryData(Shape):
    """A model of two inputs over a square from `low` to `high`. `grid` is (rows from the top, columns, outputs).

    `points` and `tests` are (n, 3): the horizontal input, the vertical input and the target.
    """

    kind: Literal["boundary"]
    low: float
    high: float
    grid: PackedArray
    points: PackedArray
    tests: PackedArray | None = None
    layers: list[list[Neuron]] = Field(max_length=20)
    discrete: bool = False

    @model_validator(mode="after")
    def _check_arrays(self) -> BoundaryData:
        _check_rank(self.grid, 3)
        for points in (self.points, self.tests):
            _check_rank(points, 2)
        return self


class ImageData(Shape):
    """A picture that a script logged: (height, width, channels), values from 0 to 255."""

    kind: Literal["image"]
    caption: Label = ""
    image: PackedArray

    @model_validator(mode="after")
    def _check_image(self) -> ImageData:
        _check_rank(self.image, 3)
        return self


PanelData = Annotated[
    ConfusionData | SamplesData | WeightsData | HistogramsData | GraphData | FitData | BoundaryData | ImageData,
    Field(discriminator="kind"),
]


class PanelMade(Shape):
    """A panel as a trainer reports it. Segment, step and name identify it."""

    segment: Annotated[int, Field(ge=0, le=1_000_000)]
    step: Step
    name: PanelName
    snapshot: Id | None = None
    data: PanelData
    at: Timestamp


class PanelPlace(Answer):
    """Where the trainer made a panel. `ghost` says that the place lies on an abandoned branch."""

    segment: int
    step: Step
    snapshot: Id | None = None
    ghost: bool = False


class PanelSeries(Answer):
    """The places of one panel in a run, in the order in which the trainer made them."""

    name: str
    kind: str
    places: list[PanelPlace]


class PanelList(Answer):
    panels: list[PanelSeries]


class Panel(Answer):
    name: str
    segment: int
    step: Step
    snapshot: Id | None = None
    data: PanelData
    at: Moment
