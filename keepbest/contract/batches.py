"""Defines the batch, in which a trainer sends its records to the tracker in order.

A batch crosses the wire as JSON, or as `BATCH_MEDIA_TYPE`: a little-endian u32 with the length of the header, the
header (this JSON, each `Columns` with `count` in place of its three lists), then for each `Columns` in order
`int64 steps[count]`, `float64 values[count]`, `float64 times[count]`, little-endian.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from keepbest.contract.base import (
    MAX_WHOLE,
    Answer,
    CheckpointKind,
    Count,
    Digest,
    FieldName,
    Id,
    Shape,
    Step,
    Timestamp,
    Value,
)
from keepbest.contract.commands import Command
from keepbest.contract.names import MetricKey
from keepbest.contract.overrides import Overrides
from keepbest.contract.panels import PanelMade
from keepbest.contract.per_example import Examples
from keepbest.contract.policies import PolicySpec, StopperDecision
from keepbest.contract.provenance import Provenance
from keepbest.contract.runs import Memory, Mode, Parameters, RunError, SegmentReason

BATCH_MEDIA_TYPE = "application/vnd.keepbest.batch"
#: The most points of a batch and the most bytes of its body; the tracker refuses a larger batch (413).
MAX_BATCH_POINTS = 200_000
MAX_BATCH_BYTES = 8 * 2**20

SegmentNumber = Annotated[int, Field(ge=0, le=1_000_000)]


class Columns(Shape):
    """Points of one metric key in one segment; `times` are epoch seconds."""

    segment: SegmentNumber
    key: MetricKey
    steps: list[Step] | None = None
    values: list[float | None] | None = None
    times: list[float] | None = None
    count: int | None = Field(default=None, ge=1, le=MAX_BATCH_POINTS)


class SegmentOpened(Shape):
    number: SegmentNumber
    parent: SegmentNumber | None = None
    reason: SegmentReason
    start_step: Step
    checkpoint: Id | None = None
    overrides: Overrides | None = None
    at: Timestamp


class ReportedValidation(Shape):
    """One validation and the decision on it: a row of the decision log.

    `examples` tells what each example did, if the stopper needs that or the script reports it.
    """

    segment: SegmentNumber
    step: Step
    value: float | None = None
    n: Count | None = None
    epoch: float | None = None
    seconds: float | None = None  # how long the validation took
    metrics: dict[MetricKey, float | None] = Field(default_factory=dict, max_length=200)
    decision: StopperDecision
    snapshot: Id | None = None
    checkpoint: Id | None = None
    note: str | None = Field(default=None, max_length=500)
    examples: Examples | None = None
    at: Timestamp


class WithdrawnValidation(Shape):
    """Withdraws the best validation, whose network turned out to be NaN: a row of the decision log.

    `decision` is the stopper's new decision on the newest validation; `checkpoint` is the id that the withdrawn state
    would have had on disk.
    """

    segment: SegmentNumber
    step: Step
    value: float
    reason: str = Field(max_length=500)
    decision: StopperDecision
    checkpoint: Id | None = None
    at: Timestamp


class CheckpointDurable(Shape):
    """A checkpoint is durable: the store has fsynced its files and renamed its manifest into place."""

    id: Id
    segment: SegmentNumber
    step: Step
    kind: CheckpointKind
    value: float | None = None
    n: Count | None = None
    digest: Digest
    size_bytes: Count
    written_bytes: Count
    location: str = Field(max_length=5000)
    store: Id | None = None
    seconds: float | None = None
    at: Timestamp


class CheckpointDropped(Shape):
    """Retention removed this checkpoint, or the writer skipped it for a newer one."""

    id: Id
    reason: str = Field(max_length=500)
    at: Timestamp


class CommandUpdate(Shape):
    id: Id
    state: Literal["acknowledged", "done", "refused"]
    message: str = Field(default="", max_length=2000)
    result: Value = None
    at: Timestamp


class LogLines(Shape):
    """A piece of the trainer's output, which begins at byte `offset` of its stream."""

    stream: Literal["stdout", "stderr", "keepbest"]
    offset: Count
    text: str = Field(max_length=262_144)
    at: Timestamp


class Declared(Shape):
    """Fields of the spec that a command's script sets when it starts. A field that the submission set stays as it is.

    A worker's own trainer sets `max_steps` and `validate_every` here if the submission gave them in epochs.
    """

    monitor: MetricKey | None = None
    mode: Mode | None = None
    stopper: PolicySpec | None = None
    max_steps: int | None = Field(default=None, ge=1, le=2**53)
    validate_every: int | None = Field(default=None, ge=1, le=2**31)
    parameters: Parameters | None = None


class Progress(Shape):
    """How far training is. The newest progress replaces the fields of earlier ones."""

    step: Step | None = None
    epoch: float | None = None
    mode: Mode | None = None
    resume: Literal["exact", "approximate"] | None = None
    resume_note: str | None = Field(default=None, max_length=2000)
    incomplete: str | None = Field(
        default=None, max_length=5000, description="the part of the model that cannot be captured"
    )
    environment: dict[FieldName, Value] | None = Field(default=None, max_length=1000)
    provenance: Provenance | None = None
    memory: Memory | None = None
    error: RunError | None = None
    warning: str | None = Field(
        default=None, max_length=2000, description="what is wrong at present; empty if nothing is"
    )
    stalled: bool | None = Field(default=None, description="whether the training thread gives no sign of life")
    declared: Declared | None = None
    at: Timestamp


class Batch(Shape):
    """The records of one writer, a trainer or the agent that reads its output, since that writer's last batch."""

    writer: Id
    number: int = Field(ge=1, le=MAX_WHOLE)
    segments: list[SegmentOpened] = Field(default_factory=list, max_length=1000)
    columns: list[Columns] = Field(default_factory=list, max_length=5000)
    validations: list[ReportedValidation] = Field(default_factory=list, max_length=5000)
    withdrawn: list[WithdrawnValidation] = Field(default_factory=list, max_length=1000)
    checkpoints: list[CheckpointDurable] = Field(default_factory=list, max_length=1000)
    dropped: list[CheckpointDropped] = Field(default_factory=list, max_length=1000)
    commands: list[CommandUpdate] = Field(default_factory=list, max_length=1000)
    logs: list[LogLines] = Field(default_factory=list, max_length=1000)
    panels: list[PanelMade] = Field(default_factory=list, max_length=100)
    progress: Progress | None = None


class BatchReceipt(Answer):
    """Says that a batch is durable. `accepted` is false if the tracker had it before. The trainer must obey `commands`.

    `resume_checkpoint` is where the next attempt would go on; the tracker gives it if this batch may have changed it.
    """

    accepted: bool
    last_number: int
    commands: list[Command] = Field(default_factory=list)
    best_step: Step | None = None
    best_value: float | None = None
    best_checkpoint: Id | None = None
    resume_checkpoint: Id | None = None
