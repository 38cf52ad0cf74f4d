"""Defines imports: a run of another tool comes in whole, by requests that may each be sent again.

`ImportRequest` makes the run or finds the one that the same source made before, and tells how far its metrics are. Then
points come in packed batches (`keepbest.contract.batches`): each of the header's `columns` says with `offset` how many
points of its key the source has before it. `ImportEnd` has the values of the monitor judged, piece by piece, until
nothing is left.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field, field_validator

from keepbest.contract.base import MAX_WHOLE, Answer, Count, FieldName, Id, Shape, Text, Timestamp, Value, check_text
from keepbest.contract.names import MetricKey, Name
from keepbest.contract.origins import ImportOrigin, SourceText
from keepbest.contract.runs import Mode, Parameters
from keepbest.status import RunState

MAX_IMPORT_BYTES = 8 * 2**20
#: Characters of a keyed tag's key and value.
MAX_TAG_KEY, MAX_TAG_VALUE = 250, 20_000
MAX_KEYED_TAGS, MAX_DATASETS = 5000, 1000
#: Segments of one imported run: each begins where its script went on.
MAX_SEGMENTS = 1000


def _check_ended(state: RunState) -> RunState:
    if not state.is_final:
        raise ValueError("an imported run has ended: it is finished, failed or cancelled")
    return state


EndState = Annotated[RunState, AfterValidator(_check_ended)]
TagKey = Annotated[str, Field(min_length=1, max_length=MAX_TAG_KEY)]
TagValue = Annotated[str, Field(max_length=MAX_TAG_VALUE)]


class ImportedDataset(Shape):
    """A data set that a run used; `document` is what its tool tells of it."""

    name: Annotated[str, Field(min_length=1, max_length=500), AfterValidator(check_text)]
    digest: Annotated[str, Field(max_length=36), AfterValidator(check_text)]
    context: Annotated[str, Field(max_length=500), AfterValidator(check_text)] = ""
    document: dict[FieldName, Value]


class ImportRequest(Shape):
    """Asks for the run of a source. Without `monitor` and `mode` the tracker chooses the metric that it judges.

    `parent` is the source of the run's parent, which was imported before. With `again` the source makes a new run where
    it made one already.
    """

    origin: ImportOrigin
    project: Name
    name: Name | None = None
    state: EndState = RunState.FINISHED
    message: Text = Field(default="", description="why it ended, as its tool says")
    started_at: Timestamp | None = None
    ended_at: Timestamp | None = None
    parameters: Parameters = Field(default_factory=dict)
    tags: dict[TagKey, TagValue] = Field(default_factory=dict, max_length=MAX_KEYED_TAGS)
    notes: Text = ""
    monitor: MetricKey | None = None
    mode: Mode | None = None
    parent: SourceText | None = None
    datasets: list[ImportedDataset] = Field(default_factory=list, max_length=MAX_DATASETS)
    again: bool = False

    @field_validator("tags")
    @classmethod
    def _check_tags(cls, tags: dict[str, str]) -> dict[str, str]:
        for text in (*tags, *tags.values()):
            check_text(text)
        return tags


class ImportedMetric(Answer):
    """How far a metric of an imported run is: the count of its points, and the last of them."""

    key: str
    count: Count
    segment: int
    step: int
    value: float


class ImportedRun(Answer):
    """The run of a source. `is_complete` is false for one whose import was cut off."""

    run: Id
    project: str
    number: int
    name: str
    is_new: bool
    is_complete: bool
    metrics: list[ImportedMetric]


class ImportedColumn(Shape):
    """Points of one metric in one segment, of which the source has `offset` points before these."""

    segment: int = Field(ge=0, lt=MAX_SEGMENTS)
    key: MetricKey
    offset: int = Field(ge=0, le=MAX_WHOLE)
    count: int = Field(ge=1)


class ImportedColumns(Shape):
    """The header of a packed batch of imported points."""

    columns: list[ImportedColumn] = Field(max_length=5000)


class ImportReceipt(Answer):
    """Says that the points are durable, and how many of them were new."""

    taken: Count


class ImportEnd(Shape):
    """All points have come. The moments are those of the run's first and last word, where its tool names none."""

    state: EndState = RunState.FINISHED
    message: Text = ""
    started_at: Timestamp | None = None
    ended_at: Timestamp | None = None


class ImportProgress(Answer):
    """What the run's validations are. While `left` values of the monitor are not judged yet, ask again.

    `unjudged` values are more than one run may have: they stay points.
    """

    left: Count
    unjudged: Count = 0
    validations: Count
    monitor: str | None = None
    mode: Mode | None = None
    best_step: int | None = None
    best_value: float | None = None
