"""What is read back of a run's history: validations, metric summaries, curves, logs."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from keepbest.contract.base import Answer, Id, Moment, Page, Step
from keepbest.contract.per_example import Examples
from keepbest.contract.policies import StopperDecision


class RecordedValidation(Answer):
    """One row of the decision log. `seq` orders the validations of a run; `ghost` marks an abandoned tail.

    A row that `withdraws` measures nothing: it takes back the validation of its segment and step, which was the best.
    """

    seq: int
    segment: int
    step: Step
    value: float | None = None
    n: int | None = None
    epoch: float | None = None
    seconds: float | None = None
    metrics: dict[str, float | None] = Field(default_factory=dict)
    decision: StopperDecision
    snapshot: Id | None = None
    checkpoint: Id | None = None
    note: str | None = None
    ghost: bool = False
    withdraws: bool = Field(
        default=False, description="takes back the validation of its segment and step; `note` says why"
    )
    is_withdrawn: bool = Field(default=False, description="was taken back: it is no best, whatever its value")
    examples: Examples | None = Field(default=None, description="where it was asked for, and is recorded")
    at: Moment


class ValidationPage(Page):
    validations: list[RecordedValidation]


class MetricSummary(Answer):
    """What is known of a metric without reading its points."""

    key: str
    count: int
    non_finite: int
    first_step: Step
    last_step: Step
    last_value: float
    min_value: float | None = None
    min_step: Step | None = None
    max_value: float | None = None
    max_step: Step | None = None


class MetricList(Answer):
    metrics: list[MetricSummary]


class CurvePiece(Answer):
    """The points of one segment, in order of step; `ghost` where they lie on an abandoned tail."""

    segment: int
    ghost: bool
    steps: list[int]
    values: list[float]
    times: list[float]


class Curve(Answer):
    """One metric of one run, thinned by min and max per bucket: no peak is lost. `total` counts the points stored."""

    key: str
    total: int
    returned: int
    pieces: list[CurvePiece]


class LogPiece(Answer):
    seq: int
    attempt: int
    stream: Literal["stdout", "stderr", "keepbest"]
    text: str
    at: Moment


class LogPage(Page):
    pieces: list[LogPiece]
